"""Random kills: a sweep is killed again and again, and in the end has the numbers of one that was not.

python benchmarks/kills.py [--kills 100] [--seed 0]

Each attempt is a process of its own, as `gradflow compare` is, with two workers. At a random moment, one time in five
while the workers start and else after the first step, at random the command alone, one worker, or all three at once get
SIGKILL. The same command follows at once.
When every run is finished, each table is compared with that of an uninterrupted sweep, and a new folder is begun.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradflow
from gradflow.experiments import RunsFailedError, execute, plan

CHECKPOINT_SECONDS = 0.3
EARLY = 0.2
VICTIMS = ("command", "worker", "all")
SETTINGS: dict[str, Any] = {
    "families": ["plain", "residual"],
    "seeds": 2,
    "steps": 250,
    "widths": (8, 8, 16),
    "augment": ("crop", "flip"),
    "device": "cpu",
}
DEPTHS = (8, 14)


def sweep(out: Path) -> None:
    """Make the runs, and print every event as a JSON line."""

    def tell(event: Any) -> None:
        print(json.dumps({"kind": event.kind, "run": event.run.id, "step": event.step, "pid": event.pid}), flush=True)

    try:
        execute(plan(DEPTHS, **SETTINGS), out=out, workers=2, checkpoint_every=CHECKPOINT_SECONDS, on_event=tell)
    except RunsFailedError as error:
        sys.exit(str(error))


class Attempt:
    """One process that makes the sweep, and what it told."""

    def __init__(self, out: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--sweep", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.events: list[dict[str, Any]] = []
        self._has_begun, self._has_trained = threading.Event(), threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if self.events[-1]["kind"] == "started":
                self._has_begun.set()
            if self.events[-1]["kind"] in ("step", "resumed"):
                self._has_trained.set()
        self._has_begun.set()
        self._has_trained.set()

    def kill(self, victim: str, after: float, *, early: bool) -> bool:
        """Kill some or all of its processes so many seconds after the first step, or start; False if it was done."""
        (self._has_begun if early else self._has_trained).wait()
        try:
            self.process.wait(after)
        except subprocess.TimeoutExpired:
            workers = sorted({event["pid"] for event in list(self.events) if event["pid"]})
            command = [self.process.pid] if victim != "worker" else []
            for pid in command + (workers if victim == "all" else workers[-1:] if victim == "worker" else []):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return True
        return False

    def wait(self) -> str:
        """Wait for its end and return what it said last."""
        assert self.process.stderr is not None
        said = self.process.stderr.read()
        self.process.wait()
        self._reader.join(timeout=60)
        return said


def sweeps(kills: int, seed: int, home: Path, longest: float, counts: collections.Counter[str]) -> Iterator[Path]:
    """Yield folders of sweeps that were killed until they were finished."""
    chance = random.Random(seed)
    number = 0
    while counts["kills"] < kills:
        out = home / f"sweep-{number}"
        number += 1
        finished: set[str] = set()
        is_killed = False
        while is_killed or len(finished) < len(plan(DEPTHS, **SETTINGS)):  # the last one cleans up
            attempt = Attempt(out)
            victim = chance.choice(VICTIMS)
            is_killed = counts["kills"] < kills and attempt.kill(
                victim, chance.uniform(0, longest), early=chance.random() < EARLY
            )
            said = attempt.wait()
            counts["kills"] += is_killed
            counts[f"killed: {victim}"] += is_killed
            if not is_killed and attempt.process.returncode:
                raise RuntimeError(said)
            begun = {event["run"] for event in attempt.events if event["kind"] == "started"}
            counts["started"] += len(begun)
            counts["redone"] += len(begun & finished)
            counts["resumed"] += sum(event["kind"] == "resumed" for event in attempt.events)
            over = {event["run"] for event in attempt.events if event["kind"] in ("finished", "skipped")}
            counts["cut"] += len(begun - over)
            finished |= over
            print(dict(counts), file=sys.stderr, flush=True)
        counts["sweeps"] += 1
        yield out


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=4.0, help="seconds from the first step to a kill, at most")
    parser.add_argument("--sweep", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sweep is not None:
        sweep(options.sweep)
        return
    counts: collections.Counter[str] = collections.Counter()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        whole = {run.name: run for run in execute(plan(DEPTHS, **SETTINGS), out=Path(home) / "whole", workers=2)}
        for out in sweeps(options.kills, options.seed, Path(home), options.longest, counts):
            for name, run in whole.items():
                found = gradflow.load(out / "runs" / name)
                is_same = all(getattr(found, table).equals(getattr(run, table)) for table in ("steps", "layers"))
                counts["identical" if is_same else "DIFFERENT"] += 1
            counts["left behind"] += (out / "unfinished").exists()
    print("| what | number |\n|---|---|")
    for what, number in sorted(counts.items()):
        print(f"| {what} | {number} |")
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
