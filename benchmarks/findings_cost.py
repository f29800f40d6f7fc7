"""What `record(on_finding=...)` costs: whole runs with it beside runs without, interleaved in one process.

    python -m benchmarks.findings_cost [--rounds 6] [--steps 1000]

Each round makes one run of each variant, in a random order, with the same start; all are recorded at every step, with
weights. A ratio is the median over the rounds of their processor times, with its 95 % bootstrap interval; "off again"
is the noise.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

import numpy as np
import torch

import gradflow

from .overhead.workloads import Workload, workloads

VARIANTS: dict[str, Any] = {"off": None, "off again": None, "on_finding": lambda finding: None}


def seconds(work: Workload, steps: int, on_finding: Any) -> float:
    """Return the processor seconds of one run, `close` included."""
    torch.manual_seed(0)
    model = work.make()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    began = time.process_time()
    with gradflow.record(model, optimizer=optimizer, weights=True, on_finding=on_finding) as recorder:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = work.loss(model)
            loss.backward()
            recorder.step(loss=loss)
            optimizer.step()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--workloads", default="mlp,gpt")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    print(f"{arguments.steps} steps, {arguments.rounds} rounds, load {os.getloadavg()[0]:.1f}\n")
    print("| workload | variant | s a run | ratio | s more a run |\n" + "|---" * 5 + "|")
    for name in arguments.workloads.split(","):
        seconds(workloads()[name], 20, VARIANTS["on_finding"])  # imports
        taken: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        for _ in range(arguments.rounds):
            for variant in generator.permutation(list(VARIANTS)):
                taken[variant].append(seconds(workloads()[name], arguments.steps, VARIANTS[variant]))
        off = np.array(taken["off"])
        for variant, own in taken.items():
            ratios = np.array(own) / off
            drawn = np.median(generator.choice(ratios, (10_000, len(ratios))), axis=1)
            low, high = np.quantile(drawn, (0.025, 0.975))
            ratio = f"{np.median(ratios):.3f} [{low:.3f}, {high:.3f}]"
            print(f"| {name} | {variant} | {np.median(own):.2f} | {ratio} | {np.median(np.array(own) - off):.2f} |")


if __name__ == "__main__":
    main()
