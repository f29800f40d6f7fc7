"""Where the processor time of one worker with one run goes: imports, data, training, recording, errors.

    python benchmarks/phases.py [--depth 20] [--family residual] [--steps 300]

Does in this process what a worker of `gradflow compare` does. About every hundredth of a second of processor time the
stack is looked at, and the time since the last look goes to the first of the phases below that is found on it. Forward
and backward hold the recorder's hooks; what it took in all, by its own clock, is the last line.
"""

from __future__ import annotations

import argparse
import signal
import time
from collections import Counter
from types import FrameType

SAMPLE_SECONDS = 0.01
PHASES = (  # what is printed; the end of a file's name; the function's name, empty for any
    ("imports", "<frozen importlib._bootstrap>", ""),
    ("data", "experiments/data.py", "load_data"),
    ("errors on whole sets", "experiments/train.py", "measure_errors"),
    ("optimizer", "experiments/optimizers.py", "update"),
    ("backward", "torch/_tensor.py", "backward"),
    ("forward, loss and batch error", "experiments/optimizers.py", "forward_backward"),
    ("batches, reading gradients", "experiments/train.py", "advance"),
    ("network, tables and the rest", "", ""),
)


class Samples(Counter[str]):
    """Processor seconds of each phase, from the moment it is made."""

    def __init__(self) -> None:
        super().__init__()
        self._last = time.process_time()
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)

    def stop(self) -> None:
        """End sampling."""
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _look(self, number: int, frame: FrameType | None) -> None:
        now = time.process_time()
        seen = []
        while frame is not None:
            seen.append((frame.f_code.co_filename, frame.f_code.co_name))
            frame = frame.f_back
        # a long call into C is looked at once, when it ends
        for phase, file, function in PHASES:
            if any(file in name and function in ("", found) for name, found in seen):
                self[phase] += now - self._last
                break
        self._last = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--family", default="residual")
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    samples = Samples()
    import torch

    import gradflow.experiments.worker  # noqa: F401  what a worker imports before its first run
    from gradflow.experiments import plan, train

    torch.set_num_threads(1)
    settings = {"seeds": [0], "steps": arguments.steps, "device": "cpu"}
    (run,) = plan([arguments.depth], families=[arguments.family], **settings)
    meta = train(run).meta
    samples.stop()
    print(f"{run.id}, {run.steps} updates: {samples.total():.1f} s of processor time\n")
    print("| phase | seconds | share |\n|---|---|---|")
    for phase, _, _ in PHASES:
        print(f"| {phase} | {samples[phase]:.2f} | {100 * samples[phase] / samples.total():.1f} % |")
    share = meta["recorder_seconds"] / meta["wall_seconds"]
    print(f"\nrecording, by the recorder's clock: {100 * share:.1f} % of the run without imports")


if __name__ == "__main__":
    main()
