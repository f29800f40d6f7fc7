"""Programs with planted faults, trained; and how often the diagnosis is right about them.

python -m benchmarks.diagnosis train --runs FOLDER [--limit 100]
python -m benchmarks.diagnosis judge --runs FOLDER --part tuning [--out results.csv]
python -m benchmarks.diagnosis counted --judged held_out.csv unseen.csv --out gradflow/reference/diagnosis_zoo.json
python -m benchmarks.diagnosis remedies --runs FOLDER --judged tuning.csv --out gradflow/reference/remedies_zoo.json
"""

from __future__ import annotations

import argparse
import warnings
from datetime import date
from pathlib import Path

import pandas as pd
import torch

from .judge import SEEN, WHOLE, counted, findings, judged, tables, truths
from .remedy import study, write
from .runs import make, runs

COUNTED = "runs of held-out networks and kinds in which a finding was the first problem: [named the planted fault, of]"
PARTS = ("tuning", "held-out networks", "unseen kinds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    trained = commands.add_parser("train", help="train what is not in the folder yet")
    trained.add_argument("--limit", type=int, default=10**6)
    asked = commands.add_parser("judge", help="diagnose the runs of one part and count how often that is right")
    asked.add_argument("--part", choices=PARTS, default="tuning")
    asked.add_argument("--seen", choices=SEEN, default=WHOLE, help="what of each recording is diagnosed")
    asked.add_argument("--out", type=Path, help="CSV file to write, one row a run")
    tried = commands.add_parser("remedies", help="apply each remedy to harmful runs, those of the first tables first")
    tried.add_argument("--judged", type=Path, nargs="+", required=True)
    tried.add_argument("--out", type=Path, required=True)
    tried.add_argument("--at-most", type=int, default=6, help="runs of each finding")
    told = commands.add_parser("counted", help="count how often each finding was right, for gradflow to say with it")
    told.add_argument("--judged", type=Path, nargs="+", required=True)
    told.add_argument("--out", type=Path, required=True)
    for command in (trained, asked, tried):
        command.add_argument("--runs", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # programs with faults warn of some of them
    if options.command == "train":
        train_all(options.runs, options.limit)
    elif options.command == "judge":
        judge(options.runs, options.part, options.seen, options.out)
    else:
        frame = pd.concat([pd.read_csv(path, keep_default_na=False) for path in options.judged])
        if options.command == "remedies":
            write(study(frame, options.runs, options.at_most), options.out)
        else:
            frame = frame[frame["part"] != "tuning"]
            header = {"command": "python -m benchmarks.diagnosis counted", "date": f"{date.today()}", "n": len(frame)}
            write(header | {"counted": COUNTED, "first": counted(frame)}, options.out)


def train_all(folder: Path, limit: int) -> None:
    """Train the runs that are not finished, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    for run in runs()[:limit]:
        if not (folder / run.name / "truth.json").exists():
            row = make(run, folder)
            print(f"{row['seconds']:7} s {row['score']:.3f} of {row['chance']:.2f}  {run.name}", flush=True)


def judge(folder: Path, part: str, seen: str, out: Path | None) -> None:
    """Diagnose one part's runs, print how often that is right, and keep the table."""
    frame = truths(folder)
    frame = frame[frame["part"] == part]
    frame = judged(frame.assign(findings=[findings(folder / run, seen) for run in frame["run"]]))
    print(tables(frame))
    if out is not None:
        frame.assign(findings=frame["findings"].map(" ".join)).round(4).to_csv(out, index=False)


if __name__ == "__main__":
    main()
