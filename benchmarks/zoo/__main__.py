"""gradflow.record on library models.

    python -m benchmarks.zoo --library torchvision|timm|transformers|all --out zoo.csv [--limit N] [--models NAME ...]

Every model is built without weights and runs forward and backward on a small random batch, bare and recorded, in a
process of its own. Checked: outputs, gradients, parameters, buffers and random state are bit-identical; norms of
parameter gradients equal float64 norms of `.grad`; norms at outputs equal autograd's answer for
zeros added to them, in float64.
Models that are in --out already are not run again; the table is that of all rows in it.
"""

from __future__ import annotations

import argparse
import csv
import importlib
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from .check import STATUSES, check
from .isolate import run_isolated
from .summary import exceptions, table

LIBRARIES = ("torchvision", "timm", "transformers")
COLUMNS = (
    "library", "model", "kind", "outcome", "parameters", "input", "identical", "difference",
    "parameters_right", "wrong_parameters", "oracle", "oracle_causes", "compared", "compared_by_edge", "without_oracle",
    "outputs_wrong", "wrong_outputs", "other_uses", "with_other_uses", "outputs_missed", "missed_outputs",
    "largest_error", "layers", "layers_measured", "rows", *STATUSES, "other_status", "seconds", "note",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", choices=[*LIBRARIES, "all"], default="all")
    parser.add_argument("--models", nargs="*", help="names; by default all that the library's list gives")
    parser.add_argument("--limit", type=int, help="at most this many models of each library")
    parser.add_argument("--out", type=Path, required=True, help="CSV with one row per model; appended to")
    parser.add_argument("--seconds", type=float, default=180, help="time limit per model")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for library in LIBRARIES if arguments.library == "all" else [arguments.library]:
        _run(library, arguments)
    rows = pd.read_csv(arguments.out, keep_default_na=False, na_values=[""])
    print(f"torch {torch.__version__}, 1 thread\n\n{table(rows)}\n{exceptions(rows)}")


def _run(library: str, arguments: argparse.Namespace) -> None:
    """Check the models of a library that have no row yet, one row each."""
    source = importlib.import_module(f".from_{library}", __package__)
    done = _done(arguments.out, library)
    listed = source.names()
    names = [name for name in (arguments.models or listed)[: arguments.limit] if name not in done]
    for number, name in enumerate(names, 1):
        row: dict[str, Any] = {"library": library, "model": name, "kind": source.kind_of(name)}
        row |= run_isolated(partial(_check, source, name), seconds=arguments.seconds)
        _append(arguments.out, row)
        told = {key: row[key] for key in ("outcome", "seconds", "note", *_FINDINGS) if row.get(key)}
        print(f"{library} {number}/{len(names)} {name}: {told}", flush=True)


_FINDINGS = ("difference", "wrong_parameters", "wrong_outputs", "missed_outputs", "other_status")


def _check(source: Any, name: str) -> dict[str, Any]:
    return check(source.specimens(name))


def _done(out: Path, library: str) -> set[str]:
    if not out.exists():
        return set()
    with out.open(newline="") as file:
        return {row["model"] for row in csv.DictReader(file) if row["library"] == library}


def _append(out: Path, row: dict[str, Any]) -> None:
    is_new = not out.exists()
    with out.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        if is_new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
