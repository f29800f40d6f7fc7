"""What recording costs a step, beside the least it can: reading every gradient once, at the speed of this memory.

    python -m benchmarks.overhead.bound [--workloads gpt,resnet20,resnet50] [--rounds 30]

A recorded loop and a bare one take turns in an order drawn anew each time; the recorder's own time is the difference of
their processor times. The bound is the bytes of all gradients that a step's rows are of, of parameters and of outputs,
over the bandwidth: the fastest of twenty reads of 512 MiB, by a float32 dot product and by a sum. One thread. Printed
are medians over the rounds with 95 % bootstrap intervals; "bare again" says what the difference is of two bare loops.
"""

from __future__ import annotations

import argparse
import random
import time
from functools import partial

import numpy as np
import torch

import gradflow
from gradflow.hooks import on_output_gradients

from .variants import Loop, plain_loop
from .workloads import Workload, workloads

SETTINGS = {"parameters": False, "parameters and activations": True}
HEADER = (
    "| workload | ms a bare step | recorded | MiB of gradients | bound, ms | own time, ms | own time / bound |\n"
    "|---|---|---|---|---|---|---|"
)


def bandwidth() -> float:
    """Return the bytes that one thread reads in a second."""
    entries = torch.ones(2**27)
    seconds = []
    for read in (lambda: torch.dot(entries, entries), entries.sum) * 20:
        began = time.perf_counter()
        read()
        seconds.append(time.perf_counter() - began)
    return entries.nbytes / min(seconds)


def bytes_of_gradients(work: Workload, *, outputs: bool) -> int:
    """Return the size of a step's gradients."""
    model = work.make()
    found: list[int] = []
    with on_output_gradients(model, lambda layer, gradient: found.append(gradient.nbytes)):
        work.loss(model).backward()
    of_parameters = sum(one.grad.nbytes for one in model.parameters() if one.grad is not None)
    return of_parameters + (sum(found) if outputs else 0)


def rows(work: Workload, rounds: int, speed: float) -> list[str]:
    """Return the rows of a workload."""
    loops: dict[str, Loop] = {name: plain_loop(work, lambda model: None) for name in ("bare", "bare again")}
    for name, is_watched in SETTINGS.items():
        loops[name] = plain_loop(work, partial(gradflow.record, activations=is_watched))
    taken: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(rounds + 2):
        for name in random.Random(turn).sample([*loops], len(loops)):
            began = time.process_time()
            for _ in range(work.block):
                loops[name].step()
            if turn > 1:
                taken[name].append((time.process_time() - began) / work.block)
    bare = np.array(taken["bare"])
    found = [
        f"| {work.label} | {1e3 * np.median(bare):.3g} | bare again | | | {_shown(taken['bare again'] - bare)} | |"
    ]
    for name, is_watched in SETTINGS.items():
        size = bytes_of_gradients(work, outputs=is_watched)
        own, least = np.array(taken[name]) - bare, size / speed
        found.append(
            f"| | | {name} | {size / 2**20:.1f} | {1e3 * least:.2f} | {_shown(own)} | {_shown(own / least, 1)} |"
        )
    return found


def _shown(seconds: np.ndarray, unit: float = 1e3) -> str:
    draws = np.median(np.random.default_rng(0).choice(seconds, (2000, len(seconds))), axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{unit * np.median(seconds):.2f} [{unit * low:.2f}, {unit * high:.2f}]"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", default="gpt,resnet20,resnet50")
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    speed = bandwidth()
    print(f"torch {torch.__version__}, 1 thread, {speed / 1e9:.1f} GB/s\n\n{HEADER}")
    for name in arguments.workloads.split(","):
        print("\n".join(rows(workloads()[name], arguments.rounds, speed)), flush=True)


if __name__ == "__main__":
    main()
