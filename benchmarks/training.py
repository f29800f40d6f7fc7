"""Steps per second of gradflow's training loop: beside hand-written loops, and as a share of the machine's peak.

    python -m benchmarks.training [--networks residual-8,residual-20] [--rounds 20] [--steps 300] [--out training.csv]
    python -m benchmarks.training --instructions --networks residual-8 --steps 100 --loops gradflow,bare,usual

Every round makes one whole run of each loop, in a new random order, on networks with the same start and the same
images. The loops:

gradflow            gradflow.experiments.train as `gradflow compare` calls it: recorded at the default schedule, errors
                    on the whole sets at steps 150 and 300, tables made
gradflow, unrecorded
                    the same without recording
bare                a hand-written loop over index batches, with the same measurements of errors and nothing else
bare, no errors     the same without them
bare again          what it differs from bare is the noise
usual               the loop of most tutorials: DataLoader over a TensorDataset, `.item()` of loss and hits each step,
                    errors on the test set by a second DataLoader after each epoch
usual, 2 processes  the same with num_workers=2

A ratio is another loop's time over gradflow's in the same round, so that above 1 gradflow makes more steps per second:
the median of the rounds with its 95 % bootstrap interval, of wall time and of processor time (loader processes
included), which other programs disturb less. The share of the peak is floating-point operations per second of
processor time in convolutions and matrix products (torch.utils.flop_counter), over the largest rate that a forward
convolution of PEAK_SHAPES reached, each timed after each round. With --out the rows are kept, and the same command goes
on where an earlier one stopped.

--instructions counts what valgrind's callgrind sees of each loop's process instead, without its loader processes: the
same count on a busy machine. Instructions are not time: one of a convolution does eight multiplications.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from gradflow.experiments import Run, load_data, plan
from gradflow.experiments.data import Dataset
from gradflow.experiments.train import build

from .training_loops import GRADFLOW, LOOPS

BOOTSTRAPS = 4000
PEAK = "peak"
PEAK_SHAPES = (
    (64, 16, 32),
    (64, 32, 16),
    (64, 64, 8),
    (64, 64, 32),
    (64, 128, 16),
    (16, 256, 16),
)  # batch, width, side
PEAK_REPEATS = 5


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    names = arguments.networks.split(",")
    if arguments.counted:
        count(names[0], arguments)
        return
    if arguments.instructions:
        print(instructions_table(names, arguments))
        return
    load = os.getloadavg()[0]
    frames = [pd.read_csv(arguments.out)] if arguments.out and arguments.out.exists() else []
    for name in names:
        done = {number for frame in frames for number in frame[frame.network == name]["round"]}
        for rows in measured(name, arguments, range(max(done, default=-1) + 1, arguments.rounds)):
            frames.append(pd.DataFrame(rows))
            if arguments.out:
                pd.concat(frames).to_csv(arguments.out, index=False)
    loads = f"load of the machine {load:.1f} before, {os.getloadavg()[0]:.1f} at the end"
    print(f"torch {torch.__version__}, 1 thread, {arguments.steps} updates a run; {loads}\n")
    print(table(pd.concat(frames), names, arguments))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default="residual-8,residual-20", help="family-depth, by commas")
    parser.add_argument("--data", default="digits", help="as in gradflow compare")
    parser.add_argument("--rounds", type=int, default=20, help="of each network")
    parser.add_argument("--steps", type=int, default=300, help="updates of a run")
    parser.add_argument(
        "--loops", default=",".join(LOOPS).replace(", ", " "), help="some of them, without commas in names"
    )
    parser.add_argument("--out", type=Path, help="CSV that keeps the rows")
    parser.add_argument("--instructions", action="store_true", help="count instead of timing, one run of each loop")
    parser.add_argument("--counted", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def measured(name: str, arguments: argparse.Namespace, rounds: range) -> Iterator[list[dict[str, object]]]:
    """Yield the rows (network, loop, round, seconds, cpu) of each round; of the peak, seconds are a GFLOP's."""
    run, data = _run(name, arguments), load_data(arguments.data)
    loops = {loop: LOOPS[loop] for loop in _wanted(arguments)}
    if rounds:
        short = _run(name, arguments, steps=2)
        for make in loops.values():
            make(short, data)
    for number in rounds:
        rows = []
        for loop in np.random.default_rng(number).permutation(list(loops)):
            seconds, cpu = _timed(partial(loops[loop], run, data))
            rows.append({"network": name, "loop": str(loop), "round": number, "seconds": seconds, "cpu": cpu})
        rows.append({"network": name, "loop": PEAK, "round": number, "seconds": None, "cpu": 1 / peak()})
        yield rows


def _wanted(arguments: argparse.Namespace) -> list[str]:
    wanted = arguments.loops.split(",")
    return [loop for loop in LOOPS if loop.replace(", ", " ") in wanted]


def _run(name: str, arguments: argparse.Namespace, steps: int | None = None) -> Run:
    family, _, depth = name.rpartition("-")
    n_steps = steps or arguments.steps
    (run,) = plan([int(depth)], families=[family], seeds=[0], data=arguments.data, device="cpu", steps=n_steps)
    return run


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    began, cpu_began = time.perf_counter(), _cpu()
    call()
    return time.perf_counter() - began, _cpu() - cpu_began


def _cpu() -> float:
    """Return processor seconds of this process and of those that it started and that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def peak() -> float:
    """Return the largest rate of a forward convolution with 3 x 3 kernels, GFLOP per second of processor time."""
    rates = []
    for batch, width, side in PEAK_SHAPES:
        images, weight = torch.randn(batch, width, side, side), torch.randn(width, width, 3, 3)
        flops = 2 * batch * side**2 * 9 * width**2
        with torch.inference_mode():
            convolve = partial(functional.conv2d, images, weight, padding=1)
            times = [_timed(convolve)[1] for _ in range(1 + PEAK_REPEATS)]
        rates.append(flops / min(times[1:]) / 1e9)
    return max(rates)


def step_gflop(run: Run, data: Dataset) -> float:
    """Return the operations of one step, forward and backward, in convolutions and matrix products."""
    model = build(run, data)
    size = run.recipe.batch_size
    with FlopCounterMode(display=False) as counter:
        functional.cross_entropy(model(data.train_images[:size]), data.train_labels[:size]).backward()
    return counter.get_total_flops() / 1e9


def count(name: str, arguments: argparse.Namespace) -> None:
    """Run one loop with valgrind's counting on."""
    run, data, (loop,) = _run(name, arguments), load_data(arguments.data), _wanted(arguments)
    LOOPS[loop](_run(name, arguments, steps=2), data)
    torch._C._valgrind_toggle()
    LOOPS[loop](run, data)
    torch._C._valgrind_toggle()


def instructions_table(names: list[str], arguments: argparse.Namespace) -> str:
    """Return a Markdown table of the instructions that each loop's own process executes, by callgrind."""
    lines = ["| network | loop | million instructions a step | over gradflow's |", "|---|---|---|---|"]
    for name in names:
        counts = {loop: _instructions(name, loop, arguments) for loop in _wanted(arguments)}
        for loop, found in counts.items():
            lines.append(f"| {name} | {loop} | {found / arguments.steps / 1e6:.2f} | {found / counts[GRADFLOW]:.4f} |")
    return "\n".join(lines)


def _instructions(name: str, loop: str, arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        options = ["--tool=callgrind", "--collect-atstart=no", "--trace-children=no", f"--callgrind-out-file={out}"]
        child = ["-m", "benchmarks.training", "--counted", "--networks", name, "--loops", loop.replace(", ", " ")]
        settings = ["--steps", str(arguments.steps), "--data", arguments.data]
        done = subprocess.run(
            ["valgrind", *options, sys.executable, *child, *settings], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"valgrind ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return int(re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.MULTILINE)[1])


def table(rows: pd.DataFrame, names: list[str], arguments: argparse.Namespace) -> str:
    """Return the Markdown table."""
    lines = [
        "| network | loop | rounds | ms a step (processor) | time over gradflow's, wall | processor | of the peak |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in names:
        times = {loop: frame.set_index("round") for loop, frame in rows[rows.network == name].groupby("loop")}
        gflop = step_gflop(_run(name, arguments), load_data(arguments.data)) * arguments.steps
        for loop in [loop for loop in LOOPS if loop in times]:
            own = times[loop]
            ratios = " | ".join(_shown(own[clock] / times[GRADFLOW][clock]) for clock in ("seconds", "cpu"))
            share = _shown(gflop / own.cpu * times[PEAK].cpu)
            per_step = 1e3 * own.cpu.median() / arguments.steps
            lines.append(f"| {name} | {loop} | {len(own)} | {per_step:.2f} | {ratios} | {share} |")
        rate = (1 / times[PEAK].cpu).median()
        lines.append(f"\n{name}: {gflop / arguments.steps:.3f} GFLOP a step; peak {rate:.0f} GFLOP/s\n")
    return "\n".join(lines)


def _shown(ratios: pd.Series) -> str:
    """Return the median with its 95 % bootstrap interval."""
    values = ratios.dropna().to_numpy()
    drawn = np.median(np.random.default_rng(1).choice(values, size=(BOOTSTRAPS, len(values))), axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{np.median(values):.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
