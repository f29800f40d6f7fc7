"""Where a worker's processor time goes with one run, phase by phase, beside a bare loop of the same network.

    python -m benchmarks.phases [--networks plain-20,plain-56] [--rounds 3] [--steps 300] [--model cifar]

Processes of one thread each take turns of ten updates, in a new random order each time. "gradflow" makes whole runs as
a worker of `gradflow compare` does, with its environment, in a folder, with checkpoints and probes. "bare" and "bare
again", whose difference is the noise, make the same updates in a hand-written loop that measures no errors. `--before
CHECKOUT` adds the worker of another checkout. "Steps" are all turns but the first and the last of a run, with a 95 %
bootstrap interval over them. "Run" is all from building the network to the finished folder: the median of the rounds,
the lowest and the highest. A worker imports once for all its runs; what that takes is given apart, and a short run of
each process before the first round is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BARE = ("bare", "bare again")
REST = "the rest"
WARM_UP = 20  # updates
WHOLE = "probes: "  # a phase whose name begins so holds all that it calls


class Clock(Counter[str]):
    """Processor seconds of each phase; what a phase within another takes is the inner one's alone."""

    def __init__(self) -> None:
        super().__init__()
        self._phases = [REST]
        self._last = time.process_time()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Charge what runs inside to a phase."""
        self.charge()
        outer = self._phases[-1]
        self._phases.append(outer if outer.startswith(WHOLE) else name)
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
    parser.add_argument("--networks", default="plain-20,plain-56", help="family-depth, by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--model", default="cifar")
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--others", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--loop", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.loop:
        child(arguments)
        return
    for network in arguments.networks.split(","):
        print(measured(network, arguments), flush=True)


# In a process of its own


def child(arguments: argparse.Namespace) -> None:
    """Make the runs of one loop, a turn for each line of the input; every turn's end is a line of the output."""
    clock, is_bare = Clock(), arguments.loop in BARE
    with clock.phase("import torch"):
        import torch
    with clock.phase("import pandas, gradflow and what they need"):
        import gradflow.experiments.worker  # noqa: F401  what a worker imports before its first run
    torch.set_num_threads(1)
    run = planned(arguments.networks, arguments, steps=arguments.steps)
    watch_all(clock, is_bare=is_bare)
    make = bare_run if is_bare else worker_run
    began = 0.0

    def turn(_: int = 0, **said: Any) -> None:
        nonlocal began
        print(json.dumps({"cpu": time.process_time() - began, **said}), flush=True)
        sys.stdin.readline()
        began = time.process_time()

    clock.charge()
    turn(phases=dict(clock))
    for number in range(arguments.rounds + 1):
        clock.charge()
        clock.clear()
        make(run if number else planned(arguments.networks, arguments, steps=WARM_UP), turn, arguments)
        clock.charge()
        turn(phases=dict(clock))


def planned(network: str, arguments: argparse.Namespace, *, steps: int) -> Any:
    """Return the run."""
    from gradflow.experiments import plan

    family, _, depth = network.rpartition("-")
    shape = {"data": arguments.data, "model": arguments.model, "steps": steps, "device": "cpu"}
    (run,) = plan([int(depth)], families=[family], seeds=[0], **shape)
    return run


def bare_run(run: Any, on_step: Callable[[int], object], arguments: argparse.Namespace) -> None:
    """Make the updates alone."""
    from benchmarks.training_loops import unmeasured_loop
    from gradflow.experiments import load_data

    unmeasured_loop(run, load_data(run.data), on_step)


def worker_run(run: Any, on_step: Callable[[int], object], arguments: argparse.Namespace) -> None:
    """Make the run as a worker does; the time that others take between its turns is not its own."""
    from gradflow.experiments import run_directory
    from gradflow.experiments.folder import SweepFolder
    from gradflow.experiments.run_with_resume import run_with_resume

    with tempfile.TemporaryDirectory() as out:
        folder = SweepFolder(Path(out) / "sweep", command="")
        every = arguments.others * run_directory.CHECKPOINT_SECONDS
        run_with_resume(folder, run, checkpoint_every=every, on_step=on_step)


def watch_all(clock: Clock, *, is_bare: bool) -> None:
    """Put a clock around what a run consists of."""
    import torch

    from gradflow.experiments import probes, run_directory, run_with_resume, update_step
    from gradflow.experiments.folder import SweepFolder
    from gradflow.hooks import stream
    from gradflow.hooks.recorder import Recorder

    training = __import__("gradflow.experiments.train", fromlist=["train"])  # the package's `train` is the function
    clock.watch(torch.Tensor, "backward", "backward")
    clock.watch(torch.optim.SGD, "step", "optimizer")
    if is_bare:
        return
    for module, name in ((run_directory, "PULSE_SECONDS"), (stream, "FIRST_SECONDS"), (stream, "FLUSH_SECONDS")):
        setattr(module, name, getattr(module, name) * 3)  # as in worker_run
    clock.watch(training, "load_data", "data")
    clock.watch(training, "build", "building the network")
    clock.watch(training, "record", "making the recorder")
    clock.watch(training, "Updater", "making the optimizer (the first imports torch._dynamo)")
    clock.watch(training, "measure_errors", "errors on whole sets")
    clock.watch(training, "augment", "augmentation")
    clock.watch(update_step.Updater, "forward_backward", "forward")
    clock.watch(update_step.Updater, "update", "optimizer")
    clock.watch(Recorder, "step", "recorder: its step()")
    clock.watch(Recorder, "_on_output", "recorder: hooks of the forward pass")
    clock.watch(Recorder, "flush", "recorder: rows to the disk")
    clock.watch(Recorder, "close", "recorder: rows to the disk")
    clock.watch(Recorder, "state_dict", "checkpoints and status")
    clock.watch(run_directory.CheckpointManager, "start", "checkpoints and status")
    clock.watch(run_directory.CheckpointManager, "look", "checkpoints and status")
    clock.watch(probes, "_skips", "probes: skips, before and after")
    clock.watch(probes, "_shattering", "probes: shattering")
    clock.watch(training.Training, "outcome", "reading back and summing up")
    clock.watch(SweepFolder, "keep", "writing the recording")
    clock.watch(run_directory.RunDirectory, "remove", "writing the recording")
    clock.watch(run_with_resume, "train", "the loop around")


# Here


class Child:
    """A process that makes one loop's runs, turn by turn."""

    def __init__(self, loop: str, network: str, arguments: argparse.Namespace, checkout: Path, others: int) -> None:
        from gradflow.experiments import pool

        given = ("rounds", "steps", "data", "model")
        command = [sys.executable, __file__, "--loop", loop, "--networks", network]
        command += [f"--{name}={getattr(arguments, name)}" for name in given] + [f"--others={others}"]
        memory = {} if loop != "gradflow" else getattr(pool, "MEMORY", {})
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **memory, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout)},
        )
        self.start: dict[str, float] = self.read()["phases"]
        self.phases: Counter[str] = Counter()
        self.rounds: list[list[float]] = [[]]  # turns

    def read(self) -> dict[str, Any]:
        """Return the next line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args!r} ended early")
        return json.loads(line)

    def turn(self) -> bool:
        """Let it make a turn; return whether a run ended with it."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        said = self.read()
        self.rounds[-1].append(said["cpu"])
        if "phases" not in said:
            return False
        if len(self.rounds) > 1:
            self.phases.update(said["phases"])
        self.rounds.append([])
        return True


def measured(network: str, arguments: argparse.Namespace) -> str:
    """Return the tables of one network."""
    import numpy as np
    import pandas as pd

    from .training import ratio

    here = Path(__file__).parents[1]
    loops = {"gradflow": here, **({"before": arguments.before.resolve()} if arguments.before else {})}
    loops |= dict.fromkeys(BARE, here)
    children = {name: Child(name, network, arguments, tree, len(loops)) for name, tree in loops.items()}
    for _ in range(arguments.rounds + 1):
        left = list(children)
        while left:
            for name in random.sample(left, len(left)):
                if children[name].turn():
                    left.remove(name)
    for one in children.values():
        one.process.kill()
    phases = {
        name: Counter({key: own / arguments.rounds for key, own in one.phases.items()})
        for name, one in children.items()
    }
    all_bare = phases["bare"].total()
    workers = [name for name in loops if name not in BARE]
    lines = [f"{network}, {arguments.steps} updates, {arguments.rounds} rounds\n"]
    lines.append(f"| phase | {' | '.join(f'{name}, s' for name in workers)} | of the bare run | bare, s |")
    lines.append("|---" * (len(workers) + 3) + "|")
    for phase, seconds in phases["gradflow"].most_common():
        bare = phases["bare"][REST if phase == "forward" else phase] if phase != REST else 0
        shown = [f"{phases[name][phase]:.3f}" for name in workers]
        lines.append(f"| {phase} | {' | '.join(shown)} | {seconds / all_bare:.1%} | {f'{bare:.3f}' if bare else ''} |")
    turns = {name: [times for times in one.rounds[1:] if times] for name, one in children.items()}
    inner = {name: pd.Series(np.ravel([times[1:-1] for times in own])) for name, own in turns.items()}
    whole = {name: np.array([sum(times) for times in own]) for name, own in turns.items()}
    ms = 1e3 * all_bare / arguments.steps
    lines.append(
        f"\nBare: {ms:.2f} ms an update.\n\n| beside bare | steps | run | start of the process, s |\n|---|---|---|---|"
    )
    for name in [*workers, "bare again"]:
        spans = whole[name] / whole["bare"]
        run = f"{np.median(spans):.3f} ({spans.min():.3f} to {spans.max():.3f})"
        start = f"{sum(children[name].start.values()):.2f}"
        lines.append(f"| {name} | {ratio(inner[name], inner['bare'])} | {run} | {start} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
