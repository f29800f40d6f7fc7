"""What whole runs cost with Python's garbage collector in them, of one checkout beside another.

    git worktree add ../before COMMIT
    python -m benchmarks.collector ../before .

Full collections come once in thousands of steps, where a median over blocks of steps does not show them. So each run is
a process of its own: the MLP of `benchmarks.overhead`, every step recorded, processor time of all steps. Turns are
interleaved, in a random order; printed are medians over the turns and, of ratios, the smallest and the largest.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np

SETTINGS = {"parameters": "activations=False", "activations": "activations=True"}
RUN = """
import gc, json, time
import torch
import gradflow
from benchmarks.overhead.variants import plain_loop
from benchmarks.overhead.workloads import workloads

torch.set_num_threads(1)
loop = plain_loop(workloads()["mlp"], lambda model: {recorder})
seconds, counts = [0.0] * 3, [0] * 3

def watch(phase, info):
    generation = info["generation"]
    seconds[generation] += time.process_time() * (1 if phase == "stop" else -1)
    counts[generation] += phase == "stop"

def train(n_steps):
    for _ in range(n_steps):
        loop.step()

train(200)
gc.collect()
gc.callbacks.append(watch)
began = time.process_time()
train({n_steps})
print(json.dumps([time.process_time() - began, sum(seconds), counts]))
"""


def taken(checkout: str, recorder: str, n_steps: int) -> tuple[float, float, list[int]]:
    """Return the seconds of a run and of its garbage collections, and how many of each generation there were."""
    environment = {**os.environ, "PYTHONPATH": str(Path(checkout).resolve())}
    code = RUN.replace("{recorder}", recorder).replace("{n_steps}", str(n_steps))
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], check=True, capture_output=True, env=environment, text=True
    )
    seconds, collecting, counts = json.loads(done.stdout)
    return seconds, collecting, counts


def main() -> None:
    """Compare two checkouts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    runs = [("new", "bare", "None")]
    runs += [
        (which, name, f"gradflow.record(model, {how})") for which in ("old", "new") for name, how in SETTINGS.items()
    ]
    found: dict[tuple[str, str], list[tuple[float, float, list[int]]]] = {}
    for _ in range(arguments.turns):
        for which, name, recorder in random.sample(runs, len(runs)):
            result = taken(getattr(arguments, which), recorder, arguments.steps)
            found.setdefault((which, name), []).append(result)
    print(
        "| recorded | checkout | µs a step | of these collecting | collections | / bare | / old |\n"
        "|---|---|---|---|---|---|---|"
    )
    bare = np.array([seconds for seconds, *_ in found["new", "bare"]])
    for (which, name), results in sorted(
        found.items(), key=lambda one: (one[0][1] != "bare", one[0][1], one[0][0] != "old")
    ):
        seconds, collecting = (np.array(values) for values in zip(*[one[:2] for one in results], strict=True))
        old = np.array([one[0] for one in found.get(("old", name), results)])
        per_step = 1e6 / arguments.steps
        counts = ", ".join(f"{np.median(count):.0f}" for count in zip(*[one[2] for one in results], strict=True))
        cells = [f"{np.median(seconds) * per_step:.0f}", f"{np.median(collecting) * per_step:.1f}", counts]
        cells += [_range(seconds / bare), _range(seconds / old)]
        print(f"| {name} | {which} | {' | '.join(cells)} |")


def _range(ratios: np.ndarray) -> str:
    return f"{np.median(ratios):.3f} ({ratios.min():.3f} to {ratios.max():.3f})"


if __name__ == "__main__":
    main()
