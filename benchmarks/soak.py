"""Memory over many recorded steps: a recorder that streams to a folder must not grow.

python benchmarks/soak.py [--steps 100000] [--layers 1000 --per-decade 50]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

import gradflow
from gradflow import storage

WIDTH = 4


def resident_mib() -> float:
    """Memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def chain(layers: int) -> nn.Sequential:
    """Return a chain of so many linear layers, each followed by tanh."""
    return nn.Sequential(*(part for _ in range(layers) for part in (nn.Linear(WIDTH, WIDTH), nn.Tanh())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--layers", type=int, default=2, help="linear layers of the chain")
    parser.add_argument("--per-decade", type=int, help="record steps evenly in log(step), so many a decade, not all")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    model = chain(asked.layers)
    x = torch.randn(4, WIDTH)
    schedule = 1 if asked.per_decade is None else gradflow.hooks.LogSpaced(asked.per_decade)
    print("| steps | resident MiB | seconds |\n|---|---|---|")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        with gradflow.record(model, schedule=schedule, weights=True, path=Path(folder) / "run") as recorder:
            for step in range(asked.steps):
                model.zero_grad()
                loss = model(x).square().sum()
                loss.backward()
                recorder.step(loss=loss)
                if (step + 1) % (asked.steps // 10) == 0:
                    print(f"| {step + 1} | {resident_mib():.0f} | {time.perf_counter() - began:.0f} |", flush=True)
        parts = storage.read_manifest(Path(folder) / "run")["parts"]
        rows = sum(part["rows"] for part in parts)
        print(f"\n{rows} rows in {len(parts)} files, {sum(part['bytes'] for part in parts) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
