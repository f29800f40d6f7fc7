"""Whether `record(model, overhead=...)` keeps its promise: what it costs, over 2,000 steps of each workload.

    python -m benchmarks.overhead.promise [--workloads mlp,gpt,resnet20,digits20] [--shares 0.02,0.1] [--steps 2000]

A recorded loop and a bare one take turns of 20 steps, in an order drawn anew each time; `close()`, after the
training, is not counted. The cost is the ratio of the sums of their processor times, less 1, with its 95 % bootstrap
interval over the turns; beside it stands what the recorder says of itself. (Its own clock is wall time, which other
programs disturb.)
"""

from __future__ import annotations

import argparse
import random
import time
import warnings

import numpy as np
import torch

import gradflow

from .workloads import Workload, workloads

TURN = 20
HEADER = (
    "| workload | ms a step | promised | cost | by its own account | recorded | said |\n|---|---|---|---|---|---|---|"
)


def promised(work: Workload, share: float, n_steps: int) -> str:
    """Return a row of the table."""
    torch.manual_seed(0)
    models = [work.make() for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    optimizers = [torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9) for model in models]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        recorder = gradflow.record(models[1], overhead=share)
        taken: list[list[float]] = [[], []]
        for turn in range(n_steps // TURN):
            for which in random.Random(turn).sample((0, 1), 2):
                began = time.process_time()
                for _ in range(TURN):
                    optimizers[which].zero_grad()
                    work.loss(models[which]).backward()
                    if which:
                        recorder.step()
                    optimizers[which].step()
                taken[which].append(time.process_time() - began)
        recorder.close()
    same = all(torch.equal(*pair) for pair in zip(models[0].parameters(), models[1].parameters(), strict=True))
    assert same, "recording changed training"
    bare, recorded = np.array(taken)
    draws = np.random.default_rng(0).integers(0, len(bare), (2000, len(bare)))
    low, high = np.percentile(recorded[draws].sum(1) / bare[draws].sum(1) - 1, [2.5, 97.5])
    said = recorder.meta["overhead"]
    return (
        f"| {work.label} | {1e3 * np.median(bare) / TURN:.2f} | {share:.1%} | {recorded.sum() / bare.sum() - 1:.2%} "
        f"[{low:.2%}, {high:.2%}] | {said['spent']:.2%} | {said['recorded']} of {said['steps']} "
        f"| {'; '.join(str(one.message) for one in told)} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", default="mlp,gpt,resnet20,digits20")
    parser.add_argument("--shares", default="0.02,0.1")
    parser.add_argument("--steps", type=int, default=2000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, 1 thread\n\n{HEADER}")
    for name in arguments.workloads.split(","):
        for share in arguments.shares.split(","):
            print(promised(workloads()[name], float(share), arguments.steps), flush=True)


if __name__ == "__main__":
    main()
