"""Programs with planted faults, trained; and how often the diagnosis is right about them.

python -m benchmarks.diagnosis train --runs FOLDER [--limit 100]
python -m benchmarks.diagnosis score --runs FOLDER [--part tuning] [--out benchmarks/diagnosis/results.csv]
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import torch

from .runs import make, runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    trained = commands.add_parser("train", help="train what is not in the folder yet")
    trained.add_argument("--runs", type=Path, required=True)
    trained.add_argument("--limit", type=int, default=10**6)
    options = parser.parse_args()
    torch.set_num_threads(1)
    train_all(options.runs, options.limit)


def train_all(folder: Path, limit: int) -> None:
    """Train the runs that are not finished, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    for run in runs()[:limit]:
        if not (folder / run.name / "truth.json").exists():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                row = make(run, folder)
            print(f"{row['seconds']:7} s {row['score']:.3f} of {row['chance']:.2f}  {run.name}", flush=True)


if __name__ == "__main__":
    main()
