"""Steps per second of gradflow's training loop: beside hand-written loops, and as a share of the machine's peak.

    python -m benchmarks.training [--networks residual-8,residual-20] [--rounds 10] [--steps 300] [--out training.csv]

Every round makes one whole run of each loop, on networks with the same start and the same images. The runs of a round
go forward together, ten steps of one loop and then ten of the next, in a new random order each time, so that other
programs on the machine disturb all alike; each loop has a thread, and one thread runs at a time. The loops:

gradflow            gradflow.experiments.train as `gradflow compare` calls it: recorded at the default schedule, errors
                    on the whole sets at steps 150 and 300, tables made; no checkpoints
gradflow, unrecorded
                    the same without recording
bare                a hand-written loop over index batches, with the same measurements of errors and nothing else
bare, no errors     the same without them
bare again          what it differs from bare is the noise
usual               the loop of most tutorials: DataLoader over a TensorDataset, `.item()` of loss and hits each step,
                    errors on the test set by a second DataLoader after each epoch
usual, 2 processes  the same with num_workers=2

                    (a whole run at once: its processes would work ahead)

A ratio is another loop's time over gradflow's in the same turns, so that above 1 gradflow makes more steps per second,
with its 95 % bootstrap interval over the turns; of wall time and of processor time (loader processes included), which
other programs disturb less. The share of the peak is floating-point operations per second of processor time in
convolutions and matrix products (torch.utils.flop_counter), over the largest rate that a forward convolution of
PEAK_SHAPES reached after a round, the median of the rounds. With --out the rows are kept, and the same command goes on
where an earlier one stopped.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Iterator
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

from .lockstep import Lockstep, timed
from .training_loops import ALONE, GRADFLOW, LOOPS

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
    parser.add_argument("--rounds", type=int, default=10, help="of each network")
    parser.add_argument("--steps", type=int, default=300, help="updates of a run")
    parser.add_argument(
        "--loops", default=",".join(LOOPS).replace(", ", " "), help="some of them, without commas in names"
    )
    parser.add_argument("--out", type=Path, help="CSV that keeps the rows")
    return parser.parse_args()


def measured(name: str, arguments: argparse.Namespace, rounds: range) -> Iterator[list[dict[str, object]]]:
    """Yield the rows (network, loop, round, turn, seconds, cpu) of each round; the peak's `cpu` is for a GFLOP."""
    run, data = _run(name, arguments), load_data(arguments.data)
    loops = {loop: LOOPS[loop] for loop in _wanted(arguments)}
    if rounds:
        short = _run(name, arguments, steps=2)
        for make in loops.values():
            make(short, data, _nothing)
    for number in rounds:
        together = {loop: partial(make, run, data) for loop, make in loops.items() if loop not in ALONE}
        times = Lockstep(together, number).run()
        times |= {loop: [timed(partial(loops[loop], run, data, _nothing))] for loop in loops if loop in ALONE}
        yield [
            {"network": name, "loop": loop, "round": number, "turn": turn, "seconds": seconds, "cpu": cpu}
            for loop, turns in {**times, PEAK: [(math.nan, 1 / peak())]}.items()
            for turn, (seconds, cpu) in enumerate(turns)
        ]


def _nothing(step: int) -> None:
    pass


def _wanted(arguments: argparse.Namespace) -> list[str]:
    wanted = arguments.loops.split(",")
    return [loop for loop in LOOPS if loop.replace(", ", " ") in wanted]


def _run(name: str, arguments: argparse.Namespace, steps: int | None = None) -> Run:
    family, _, depth = name.rpartition("-")
    n_steps = steps or arguments.steps
    (run,) = plan([int(depth)], families=[family], seeds=[0], data=arguments.data, device="cpu", steps=n_steps)
    return run


def peak() -> float:
    """Return the largest rate of a forward convolution with 3 x 3 kernels, GFLOP per second of processor time."""
    rates = []
    for batch, width, side in PEAK_SHAPES:
        images, weight = torch.randn(batch, width, side, side), torch.randn(width, width, 3, 3)
        flops = 2 * batch * side**2 * 9 * width**2
        with torch.inference_mode():
            convolve = partial(functional.conv2d, images, weight, padding=1)
            times = [timed(convolve)[1] for _ in range(1 + PEAK_REPEATS)]
        rates.append(flops / min(times[1:]) / 1e9)
    return max(rates)


def step_gflop(run: Run, data: Dataset) -> float:
    """Return the operations of one step, forward and backward, in convolutions and matrix products."""
    model = build(run, data)
    size = run.recipe.batch_size
    with FlopCounterMode(display=False) as counter:
        functional.cross_entropy(model(data.train_images[:size]), data.train_labels[:size]).backward()
    return counter.get_total_flops() / 1e9


def table(rows: pd.DataFrame, names: list[str], arguments: argparse.Namespace) -> str:
    """Return the Markdown table."""
    lines = [
        "| network | loop | runs, turns | ms a step (processor) | time / gradflow's, wall | processor | of the peak |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in names:
        times = {loop: frame.set_index(["round", "turn"]) for loop, frame in rows[rows.network == name].groupby("loop")}
        gflop = step_gflop(_run(name, arguments), load_data(arguments.data)) * arguments.steps
        peak_cpu = times[PEAK].cpu.median()
        for loop in [loop for loop in LOOPS if loop in times]:
            own, base = times[loop], times[GRADFLOW]
            if loop in ALONE:
                own, base = own.groupby("round").sum(), base.groupby("round").sum()
            ratios = " | ".join(ratio(own[clock], base[clock]) for clock in ("seconds", "cpu"))
            n_runs = rows[(rows.network == name) & (rows.loop == loop)]["round"].nunique()
            a_run = own.cpu.sum() / n_runs
            lines.append(
                f"| {name} | {loop} | {n_runs}, {len(own)} | {1e3 * a_run / arguments.steps:.2f} | {ratios} "
                f"| {gflop * peak_cpu / a_run:.2f} |"
            )
        lines.append(f"\n{name}: {gflop / arguments.steps:.3f} GFLOP a step; peak {1 / peak_cpu:.0f} GFLOP/s\n")
    return "\n".join(lines)


def ratio(own: pd.Series, base: pd.Series) -> str:
    """Return the ratio of two sums over the same turns, with its 95 % bootstrap interval over the turns."""
    pairs = pd.concat([own, base], axis=1).fillna(0.0).to_numpy()
    drawn = pairs[np.random.default_rng(1).integers(len(pairs), size=(BOOTSTRAPS, len(pairs)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return f"{pairs[:, 0].sum() / pairs[:, 1].sum():.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
