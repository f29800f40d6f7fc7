"""The tables a reader sees: frames of analysis, as cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import pandas as pd

from gradflow.reporting.contents import Contents
from gradflow.reporting.tables import Cell, Column, Table, bounded, network_name, table
from gradflow.text import text
from gradflow.text.numbers import factor, number, percent, signed, signed_points
from gradflow.text.words import word


def summary_table(frame: pd.DataFrame) -> Table:
    """Return one row per network: errors and gradient ratios."""
    rows = []
    for row in frame.to_dict("records"):
        n = int(row["n"])
        cells = [Cell(network_name(row)), Cell(str(max(n, int(row["n_test"]))))]
        cells += [_spread(row, "train_error", n, percent), _spread(row, "test_error", int(row["n_test"]), percent)]
        cells += [_spread(row, name, n, _as_decades) for name in ("grad_ratio", "out_grad_ratio")]
        rows.append(cells)
    columns = ("network", "n", "train_error", "test_error", "grad_ratio", "out_grad_ratio")
    return table("summary", text("table.summary"), columns, rows, "tables/summary.csv")


def differences_table(frame: pd.DataFrame) -> Table:
    """Return one row per depth: plain minus residual training error."""
    rows = [
        [
            Cell(str(row["depth"]), str(row["settings"])),
            Cell(str(row["n"])),
            bounded(row["mean"], row["low"], row["high"], int(row["n"]), signed_points),
        ]
        for row in frame.to_dict("records")
    ]
    caption = text("table.paired_difference")
    return table("paired-difference", caption, ("depth", "pairs", "difference"), rows, "tables/paired_difference.csv")


def factors_table(contents: Contents, closed: float | None) -> Table:
    """Return one row per network, one column per stage: the measured factor, with the closed form beside them."""
    factors = contents.factors.dropna(subset="factor")
    stages = sorted(factors["stage"].unique())
    rows = []
    for _, network in factors.groupby(["family", "depth"], dropna=False):
        by_stage = {row["stage"]: row for row in network.to_dict("records")}
        cells = [_factor_cell(by_stage.get(stage)) for stage in stages]
        rows.append([Cell(network_name(network.iloc[0])), *cells, Cell(_law(str(network["family"].iloc[0]), closed))])
    found = table("factor", text("table.factor"), ("network", *["factor"] * len(stages), "closed_form"), rows)
    heads = [Column(text("cell.stage", number=stage + 1)) for stage in stages]
    return found._replace(columns=(found.columns[0], *heads, found.columns[-1]), file="tables/decay_over_seeds.csv")


def _factor_cell(row: Mapping[Hashable, Any] | None) -> Cell:
    if row is None:
        return Cell("–")
    return bounded(row["factor"], row["low"], row["high"], int(row["n"]), factor)


def _law(family: str, closed: float | None) -> str:
    """Return what theory says of a family with batch norm before ReLU, where that is what was run."""
    if closed is None or family not in ("plain", "residual"):
        return "–"
    return factor(closed) if family == "plain" else text("word.power law")


def coverage_table(frame: pd.DataFrame) -> Table:
    """Return one row per reason and kind of layer: how many layers, in how many runs, and which is the first."""
    rows = []
    for (status, kind), found in frame.groupby(["status", "kind"], sort=False):
        values = (word(str(status)), kind, len(found), found["run"].nunique(), found["layer"].iloc[0])
        rows.append([Cell(str(value)) for value in values])
    columns = ("status", "kind", "layers", "runs", "example")
    return table("coverage", text("table.coverage"), columns, rows, "tables/coverage.csv")


def _as_decades(ratio: float) -> str:
    return signed(math.log10(ratio)) if ratio > 0 else number(ratio)


def _spread(row: Mapping[Hashable, Any], name: str, n: int, form: Callable[[float], str]) -> Cell:
    return bounded(row[name], row[f"{name}_low"], row[f"{name}_high"], n, form)
