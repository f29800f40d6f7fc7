"""What histograms of gradients, weights and outputs cost: at a step that is counted, and at all the others.

    python -m benchmarks.distributions_cost [--rounds 40] [--workloads mlp,digits20]

Every step is recorded, parameters and activations, on one thread; each round times one block of steps of each variant,
in a new random order, in processor time, so that other processes count little. A ratio is a variant's time over that of
the recorder without distributions in the same round; printed are the median of the rounds and its 95 % bootstrap
interval. "again" is a second recorder without them: what it differs from 1 is the noise.
"""

from __future__ import annotations

import argparse
import random
import time

import numpy as np
import torch

import gradflow

from .overhead.variants import Loop, plain_loop
from .overhead.workloads import Workload, workloads

REFERENCE = "without"
VARIANTS = {
    REFERENCE: False,
    "again": False,
    "at the steps in between": 10**9,  # after step 0, which is over when the clock starts
    "at a step that is counted": 1,
}


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    for name in arguments.workloads.split(","):
        work = workloads()[name]
        print(f"\n{work.label}, {work.block} steps a block, {arguments.rounds} rounds")
        seconds = _measured(work, arguments.rounds)
        for variant, taken in seconds.items():
            ratios = taken / seconds[REFERENCE]
            draws = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
            low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
            step = 1000 * np.median(taken) / work.block
            print(f"{variant:28} {step:8.3f} ms a step   {np.median(ratios):6.3f} [{low:.3f}, {high:.3f}]")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--workloads", default="mlp,digits20", help=f"of {','.join(workloads())}")
    return parser.parse_args()


def _measured(work: Workload, rounds: int) -> dict[str, np.ndarray]:
    """Return the processor seconds of each variant's blocks."""
    loops: dict[str, Loop] = {
        name: plain_loop(work, lambda model, at=at: gradflow.record(model, distributions=at))
        for name, at in VARIANTS.items()
    }
    for loop in loops.values():
        _block(loop, work)
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    order = random.Random(0)
    for _ in range(rounds):
        for name in order.sample([*loops], len(loops)):
            seconds[name].append(_block(loops[name], work))
    return {name: np.array(taken) for name, taken in seconds.items()}


def _block(loop: Loop, work: Workload) -> float:
    began = time.process_time()
    for _ in range(work.block):
        loop.step()
    return time.process_time() - began


if __name__ == "__main__":
    main()
