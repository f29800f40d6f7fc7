"""Wall time of the default comparison, by phase, and the memory of its largest process.

    python benchmarks/compare.py [--depths 20,56,110] [--seeds 3]

Makes the calls that `gradflow compare` makes, in this process, with a clock between them.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

BEGAN = time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depths", default="20,56,110")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    depths = [int(depth) for depth in arguments.depths.split(",")]
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        from gradflow import experiments

        clock.note("import torch and the experiments")
        runs = experiments.plan(depths, seeds=arguments.seeds, steps=arguments.steps)
        started: list[float] = []
        recordings = experiments.execute(
            runs, out=folder, on_event=lambda event: event.kind == "step" and started.append(time.perf_counter())
        )
        clock.note("workers start and import", until=started[0])
        clock.note(f"train {len(runs)} networks")
        demo = experiments.vanishing()
        experiments.keep_all(demo, folder, group="vanishing", command="benchmarks/compare.py")
        clock.note("vanishing-gradient demo")
        from gradflow.reporting import report

        page = report([*recordings, *demo], Path(folder))
        clock.note("report")
        size = page.stat().st_size
    seconds = [recording.meta["wall_seconds"] for recording in recordings]
    overhead = sum(recording.meta["recorder_seconds"] for recording in recordings) / sum(seconds)
    print(f"| phase | seconds |\n|---|---|\n{clock.table()}| all | {time.perf_counter() - BEGAN:.1f} |\n")
    print(f"runs: {sum(seconds):.0f} s in all, the longest {max(seconds):.1f} s; recording {overhead:.1%} of it")
    print(f"largest worker: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB")
    print(
        f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB; page {size / 1e6:.1f} MB"
    )


class Clock:
    """Seconds between one note and the next."""

    def __init__(self) -> None:
        self._last = BEGAN
        self._notes: list[tuple[str, float]] = []

    def note(self, phase: str, until: float | None = None) -> None:
        """End a phase."""
        now = time.perf_counter() if until is None else until
        self._notes.append((phase, now - self._last))
        self._last = now

    def table(self) -> str:
        """Return the phases as rows."""
        return "".join(f"| {phase} | {seconds:.1f} |\n" for phase, seconds in self._notes)


if __name__ == "__main__":
    main()
