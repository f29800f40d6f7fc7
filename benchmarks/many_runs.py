"""Time and memory of opening a sweep of many runs: list them, load them, read one table, read all.

python benchmarks/many_runs.py [--runs 1000] [--steps 300] [--rows 8000]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import gradflow
from gradflow import Recording, storage
from gradflow.analysis.listing import listing


def resident_mib() -> float:
    """Memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=300, help="rows of steps a run")
    parser.add_argument("--rows", type=int, default=8000, help="rows of layers a run")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(asked.runs):
            gradflow.save(run(seed, asked.steps, asked.rows), Path(folder) / "runs" / f"run-{seed}")
        folders = storage.find([folder])
        len(gradflow.load(folders[0]).layers)  # libraries are loaded before memory is measured
        before = resident_mib()
        loaded: list[Recording] = []
        measures = {
            "list them (gradflow runs)": lambda: listing([folder]),
            "load them": lambda: loaded.extend(map(gradflow.load, folders)),
            "read every table of steps": lambda: [recording.steps for recording in loaded],
            "read every table of layers": lambda: [recording.layers for recording in loaded],
        }
        print(f"{asked.runs} runs\n\n| | seconds | processor seconds | MiB more than before |\n|---|---|---|---|")
        for name, measure in measures.items():
            began, busy = time.perf_counter(), time.process_time()
            measure()
            seconds, busy = time.perf_counter() - began, time.process_time() - busy
            print(f"| {name} | {seconds:.2f} | {busy:.2f} | {resident_mib() - before:.0f} |", flush=True)


def run(seed: int, n_steps: int, n_rows: int) -> Recording:
    """Return a recording of random numbers."""
    draw = np.random.default_rng(seed)
    steps = pd.DataFrame({"step": range(n_steps), "loss": draw.random(n_steps), "train_error": draw.random(n_steps)})
    names = [f"stage{number % 3}.block{number}.conv" for number in range(200)]
    numbers = {name: draw.random(n_rows) for name in ("grad_norm", "out_grad_norm", "weight_norm")}
    layers = pd.DataFrame({"step": np.arange(n_rows) // 200, "layer": np.resize(names, n_rows), **numbers})
    return Recording(steps=steps, layers=layers, meta={"run": f"run-{seed}", "seed": seed, "status": "done"})


if __name__ == "__main__":
    main()
