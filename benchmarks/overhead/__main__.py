"""Overhead of recording: time of a recorded training step over a bare one, gradflow and its peers in one run.

    python -m benchmarks.overhead [--rounds 40] [--workloads mlp,gpt,resnet20,resnet50] [--out overhead.csv]
    python -m benchmarks.overhead --quick            # gradflow alone, on the two small workloads
    python -m benchmarks.overhead --instructions     # instructions of a step, by callgrind (`instructions`)

Every round times one block of steps of each variant, in a new random order, on models of their own with the same start.
A ratio is the variant's time over the bare loop's in the same round; the table gives the median of the rounds' ratios
with its 95 % bootstrap interval, of wall time and of this process's processor time, which other programs disturb less
(and which leaves out a peer's own process, such as wandb's). "bare again" is a second bare loop: what it differs from 1
is the noise.
"Every 10", where one step makes a block, is a recorder due every second step: a tenth of the median ratio of its due
steps and nine tenths of the others', which attach hooks for the step after them, as only one in ten would.
With --out the rows are kept: the same command goes on where an earlier one stopped, with the same code.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

import gradflow.hooks

from . import instructions, peers, table, timing
from .variants import OWN, Variant
from .workloads import workloads

DEFAULT = "mlp,gpt,resnet20,resnet50"
QUICK = "mlp,gpt"
COLUMNS = ["workload", "variant", "what", "round", "due", "seconds", "cpu", "note", "code"]


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    if arguments.instructions:
        for name in (arguments.workloads or "mlp").split(","):
            print(instructions.table(name, instructions.count(name)))
        return
    warnings.simplefilter("ignore")  # of the peers, about other libraries' deprecations
    names = (arguments.workloads or (QUICK if arguments.quick else DEFAULT)).split(",")
    load = os.getloadavg()[0]
    with peers.variants() as others:
        variants = OWN if arguments.quick else OWN + others
        rows = _measured(names, variants, arguments.rounds, arguments.out)
    loads = f"load of the machine {load:.1f} before, {os.getloadavg()[0]:.1f} at the end"
    print(f"torch {torch.__version__}, 1 thread; {loads}")
    print(f"\n{table.table(rows, {variant.name: variant.every for variant in variants})}\n\n{table.remarks(rows)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="of each workload")
    parser.add_argument("--workloads", help=f"of {','.join(workloads())}")
    parser.add_argument("--out", type=Path, help="CSV that keeps the rows; appended to")
    parser.add_argument("--quick", action="store_true", help="without peers, on the small workloads")
    parser.add_argument("--instructions", action="store_true", help="count instructions")
    return parser.parse_args()


def _measured(names: Sequence[str], variants: Sequence[Variant], n_rounds: int, out: Path | None) -> pd.DataFrame:
    """Return the rows of all workloads, those that `out` holds and those measured now."""
    code = _code()
    frames = [pd.read_csv(out)] if out is not None and out.exists() else [pd.DataFrame(columns=COLUMNS)]
    if set(frames[0]["code"]) - {code}:
        raise SystemExit(f"{out} was measured with another state of gradflow/hooks; remove it or name another file.")
    for name in names:
        earlier = frames[0][frames[0]["workload"] == name]["round"].max()
        numbers = range(0 if pd.isna(earlier) else int(earlier) + 1, n_rounds)
        if not numbers:
            continue
        for rows in timing.measure(workloads()[name], variants, numbers):
            frame = pd.DataFrame(rows, columns=COLUMNS).assign(workload=name, code=code)
            frames.append(frame)
            if out is not None:
                frame.to_csv(out, mode="a", header=not out.exists(), index=False)
    return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)


def _code() -> str:
    """Return a short hash of the code that records."""
    files = sorted(Path(gradflow.hooks.__path__[0]).glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


if __name__ == "__main__":
    main()
