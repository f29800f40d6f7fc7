"""Where the processor time of one worker with one run goes: imports, data, training, recording, errors.

    python benchmarks/phases.py [--depth 20] [--family residual] [--steps 300]

Does in this process what a worker of `gradflow compare` does, checkpoints left out, with a clock around its functions.
Forward and backward hold the recorder's hooks; what it took in all, by its own clock, is the last line.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Clock(Counter[str]):
    """Processor seconds of each phase; what a phase within another takes is the inner one's alone."""

    def __init__(self) -> None:
        super().__init__()
        self._phases = ["the rest"]
        self._last = time.process_time()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Charge what runs inside to a phase."""
        self.charge()
        self._phases.append(name)
        try:
            yield
        finally:
            self.charge()
            self._phases.pop()

    def charge(self) -> None:
        """Charge the time since the last charge to the present phase."""
        now = time.process_time()
        self[self._phases[-1]] += now - self._last
        self._last = now

    def watch(self, owner: Any, function: str, name: str) -> None:
        """Charge every call of a function to a phase."""
        inner: Callable[..., Any] = getattr(owner, function)

        def watched(*args: Any, **kwargs: Any) -> Any:
            with self.phase(name):
                return inner(*args, **kwargs)

        setattr(owner, function, watched)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--family", default="residual")
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    clock = Clock()
    with clock.phase("import torch"):
        import torch
    with clock.phase("import pandas, gradflow and what they need"):
        import gradflow.experiments.worker  # noqa: F401  what a worker imports before its first run
        from gradflow.experiments import plan, update_step
    with clock.phase("import torch._dynamo, as every torch optimizer does"):
        import torch._dynamo
    training = __import__("gradflow.experiments.train", fromlist=["train"])  # the package's `train` is the function
    clock.watch(training, "load_data", "data")
    clock.watch(training, "measure_errors", "errors on whole sets")
    clock.watch(training, "augment", "augmentation")
    clock.watch(update_step.Updater, "forward_backward", "forward, loss and batch error")
    clock.watch(torch.Tensor, "backward", "backward")
    clock.watch(update_step.Updater, "update", "optimizer")
    torch.set_num_threads(1)
    (run,) = plan([arguments.depth], families=[arguments.family], seeds=[0], steps=arguments.steps, device="cpu")
    meta = training.train(run).meta
    clock.charge()
    print(f"{run.id}, {run.steps} updates: {clock.total():.1f} s of processor time\n")
    print("| phase | seconds | share |\n|---|---|---|")
    for phase, seconds in clock.items():
        print(f"| {phase} | {seconds:.2f} | {100 * seconds / clock.total():.1f} % |")
    share = meta["recorder_seconds"] / meta["wall_seconds"]
    print(f"\nrecording, by the recorder's clock: {100 * share:.1f} % of the run without imports")


if __name__ == "__main__":
    main()
