"""Memory over many recorded steps: a recorder that streams to a folder must not grow.

python benchmarks/soak.py [--steps 100000]
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


def resident_mib() -> float:
    """Memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100_000)
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
    x = torch.randn(4, 16)
    print("| steps | resident MiB | seconds |\n|---|---|---|")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        with gradflow.record(model, weights=True, path=Path(folder) / "run") as recorder:
            for step in range(steps):
                model.zero_grad()
                loss = model(x).square().sum()
                loss.backward()
                recorder.step(loss=loss)
                if (step + 1) % (steps // 10) == 0:
                    print(f"| {step + 1} | {resident_mib():.0f} | {time.perf_counter() - began:.0f} |", flush=True)
        parts = storage.read_manifest(Path(folder) / "run")["parts"]
        rows = sum(part["rows"] for part in parts)
        print(f"\n{rows} rows in {len(parts)} files, {sum(part['bytes'] for part in parts) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
