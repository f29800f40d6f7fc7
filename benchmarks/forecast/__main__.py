"""How often the forecast's verdicts come true, on networks that were really trained.

python -m benchmarks.forecast train --out rows.csv [--runs 1000]
python -m benchmarks.forecast thin --rows rows.csv --out benchmarks/forecast/study.csv
python -m benchmarks.forecast evaluate --study benchmarks/forecast/study.csv [--write gradflow/reference/forecast.json]
python -m benchmarks.forecast longer --study benchmarks/forecast/study.csv --out longer.csv
python -m benchmarks.forecast architectures
"""

from __future__ import annotations

import argparse
import csv
import os
from pathlib import Path

import torch

from .designs import draw
from .evaluate import evaluate, thin
from .longer import longer
from .train import COLUMNS, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train networks; those that are in --out already are not trained again")
    train.add_argument("--out", type=Path, required=True)
    train.add_argument("--runs", type=int, default=1000)
    train.add_argument("--pid", type=Path, help="write this process's id there, for whoever wants to pause it")
    thinner = commands.add_parser("thin", help="keep the columns that evaluation needs")
    thinner.add_argument("--rows", type=Path, required=True)
    thinner.add_argument("--out", type=Path, required=True)
    counted = commands.add_parser("evaluate", help="choose limits, count verdicts, print the tables")
    counted.add_argument("--study", type=Path, required=True)
    counted.add_argument("--write", type=Path)
    more = commands.add_parser("longer", help="train networks that were said to fail for ten times the budget")
    more.add_argument("--study", type=Path, required=True)
    more.add_argument("--out", type=Path, required=True)
    more.add_argument("--runs", type=int, default=40)
    commands.add_parser(
        "architectures", help="signs and verdicts of library models; needs torchvision, timm, transformers"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.command == "train":
        train_all(options.out, options.runs, options.pid)
    elif options.command == "thin":
        thin(options.rows, options.out)
    elif options.command == "evaluate":
        evaluate(options.study, options.write)
    elif options.command == "longer":
        longer(options.study, options.out, options.runs)
    else:
        from .architectures import architectures

        architectures()


def train_all(out: Path, runs: int, pid: Path | None) -> None:
    """Append one row a network to the file as it is finished."""
    if pid is not None:
        pid.write_text(f"{os.getpid()}\n")
    is_new = not out.exists()
    done = set()
    if not is_new:
        with out.open(newline="") as stream:
            done = {int(row["number"]) for row in csv.DictReader(stream)}
    with out.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        if is_new:
            writer.writeheader()
        for number in range(runs):
            if number not in done:
                writer.writerow(run(draw(number)))
                stream.flush()


if __name__ == "__main__":
    main()
