"""Run under callgrind by `instructions`: train blocks of steps and dump what was executed after each."""

from __future__ import annotations

import argparse
import gc

import torch

from .variants import OWN
from .workloads import workloads

WARM_UP = 20  # steps; more than two of the longest schedule


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--blocks", type=int, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    work = workloads()[arguments.workload]
    steps = [variant.start(work).step for variant in OWN]
    for step in steps:
        for _ in range(WARM_UP):
            step()
    gc.collect()
    gc.freeze()  # what the other variants hold is not theirs to sweep
    for step in steps:
        for _ in range(arguments.blocks):
            torch._C._valgrind_toggle()
            for _ in range(arguments.steps):
                step()
            torch._C._valgrind_toggle_and_dump_stats()


if __name__ == "__main__":
    main()
