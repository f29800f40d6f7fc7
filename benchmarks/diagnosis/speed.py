"""How long a diagnosis takes, and how much memory. Usage: python -m benchmarks.diagnosis.speed [--rounds 5] [--large].

A recording is made up: a deep stack of linear layers that learns, every step recorded with statistics, weights and
parameters. Each round is a process of its own that imports, reads the folder, and diagnoses.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd

from gradflow.recording import Recording
from gradflow.storage import Writer

PART_STEPS = 1000
WIDTH = 64
DIAGNOSE = """
import resource, sys, time
began = time.process_time()
import gradflow
from gradflow import storage
gradflow.diagnose
imported = time.process_time()
recording = storage.load_one(sys.argv[1])
for table in ("layers", "steps", "parameters", "graph", "times"):
    getattr(recording, table)
read, held = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
findings = gradflow.diagnose(recording)
done, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
print(imported - began, read - imported, done - read, held, peak, len(findings))
"""


def made_up(folder: Path, *, layers: int, steps: int) -> None:
    """Write the recording of a stack of linear layers, in parts as a recorder would."""
    generator = np.random.default_rng(0)
    names = [f"net.{number}" for number in range(layers)]
    graph = {"step": 0, "layer": names[1:], "source": names[:-1], "call": 0, "source_call": 0}
    meta = {"run": "made up", "optimizers": 1, "optimizer_steps": steps, "dtype": "float32"}
    with closing(Writer(folder)) as writer:
        writer.append("graph", Recording(graph=pd.DataFrame(graph)).graph)
        for first in range(0, steps, PART_STEPS):
            part = _part(generator, names, np.arange(first, min(first + PART_STEPS, steps)))
            for table in ("steps", "layers", "parameters"):
                writer.append(table, getattr(part, table))
        writer.commit(meta)


def _part(generator: np.random.Generator, names: list[str], step: np.ndarray) -> Recording:
    n, order = len(step) * len(names), np.tile(np.arange(len(names)), len(step))

    def drawn(size: float) -> np.ndarray:
        return size * np.exp(0.1 * generator.normal(size=n))

    steps = {"step": step, "loss": 2.3 * np.exp(-step / 500) + 0.01 * generator.random(len(step)), "lr": 0.01}
    own = {"step": np.repeat(step, len(names)), "layer": np.array(names)[order], "n_nonfinite": 0}
    own |= {"grad_norm": drawn(0.1), "weight_norm": drawn(8.0), "update_norm": drawn(0.001)}
    layers = own | {"order": order, "layer_depth": order, "stage": 0, "kind": "Linear", "weighted": True}
    layers |= {"n_params": WIDTH**2, "dtype": "float32", "out_grad_norm": drawn(0.2), "act_rms": drawn(1.0)}
    layers |= {"act_mean": drawn(0.1), "status": "measured"}
    parameters = own | {"parameter": "weight", "n_entries": WIDTH**2, "dim": 2, "lr": 0.01, "status": "measured"}
    return Recording(
        **{
            table: pd.DataFrame(columns)
            for table, columns in {"steps": steps, "layers": layers, "parameters": parameters}.items()
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", action="store_true", help="10 million rows too: 100 layers x 50,000 steps")
    parser.add_argument("--keep", type=Path, help="folder for the made-up recordings, used again if they are there")
    arguments = parser.parse_args()
    shapes = [(100, 10_000), *([(100, 50_000)] if arguments.large else [])]
    print("| layers x steps | rows | import, s | read, s | diagnose, s | read, GiB | peak, GiB |\n|" + "---|" * 7)
    with tempfile.TemporaryDirectory() as scratch:
        for layers, steps in shapes:
            folder = (arguments.keep or Path(scratch)) / f"{layers}x{steps}"
            if not folder.exists():
                made_up(folder, layers=layers, steps=steps)
            times = [_measured(folder) for _ in range(arguments.rounds)]
            middle, least = np.median(times, axis=0), np.min(times, axis=0)
            cells = [f"{middle[place]:.2f} ({least[place]:.2f})" for place in range(3)]
            memory = [f"{middle[place]:.2f}" for place in (3, 4)]
            print(f"| {layers} x {steps:,} | {2 * layers * steps:,} | " + " | ".join(cells + memory) + " |", flush=True)
    print(f"\nprocessor seconds, median (smallest) of {arguments.rounds}; load {os.getloadavg()[0]:.1f}")


def _measured(folder: Path) -> list[float]:
    command = [sys.executable, "-c", DIAGNOSE, str(folder)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [float(value) for value in printed.split()]


if __name__ == "__main__":
    main()
