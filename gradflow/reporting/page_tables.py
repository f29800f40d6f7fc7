"""The tables a reader sees: frames of analysis, as cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import pandas as pd

from gradflow.reporting.contents import Contents
from gradflow.reporting.tables import Cell, Table, bounded, network_name
from gradflow.text import text
from gradflow.text.numbers import factor, number, percent, points, seconds

MAX_ROWS = 30  # of the coverage table on the page; the file holds all


def summary_table(frame: pd.DataFrame) -> Table:
    """Return one row per network: errors and gradient ratios."""
    rows = []
    for row in frame.to_dict("records"):
        n = int(row["n"])
        cells = [Cell(network_name(row)), Cell(str(max(n, int(row["n_test"]))))]
        cells += [_spread(row, "train_error", n, percent), _spread(row, "test_error", int(row["n_test"]), percent)]
        cells += [_spread(row, name, n, number) for name in ("grad_ratio", "out_grad_ratio")]
        cells.append(Cell(seconds(row["seconds"]) if row["seconds"] > 0 else "–"))
        rows.append(cells)
    columns = ("network", "n", "train_error", "test_error", "grad_ratio", "out_grad_ratio", "seconds")
    return Table("summary", text("table.summary"), columns, rows, "tables/summary.csv")


def differences_table(frame: pd.DataFrame) -> Table:
    """Return one row per depth: plain minus residual training error."""
    rows = [
        [
            Cell(str(row["depth"])),
            Cell(str(row["n"])),
            bounded(row["mean"], row["low"], row["high"], int(row["n"]), points),
        ]
        for row in frame.to_dict("records")
    ]
    caption = text("table.paired_difference")
    return Table("paired-difference", caption, ("depth", "pairs", "difference"), rows, "tables/paired_difference.csv")


def factors_table(contents: Contents, closed: float | None) -> Table:
    """Return one row per network and stage: the measured factor beside its closed form."""
    longest = contents.decay.groupby(["family", "depth", "stage"], dropna=False)["n_layers"].max()
    rows = []
    for row in contents.factors.to_dict("records"):
        if math.isnan(row["factor"]):
            continue
        law = "–"
        if closed and row["family"] in ("plain", "residual"):
            law = factor(closed) if row["family"] == "plain" else text("cell.power_law")
        layers = longest.loc[(row["family"], row["depth"], row["stage"])]
        measured = bounded(row["factor"], row["low"], row["high"], int(row["n"]), factor)
        rows.append([Cell(network_name(row)), Cell(str(row["stage"] + 1)), Cell(str(int(layers))), measured, Cell(law)])
    columns = ("network", "stage", "n_layers", "factor", "closed_form")
    return Table("factor", text("table.factor"), columns, rows, "tables/decay_over_seeds.csv")


def coverage_table(frame: pd.DataFrame) -> Table:
    """Return one row per layer and reason, runs counted: which gradients were not measured."""
    counted = frame.groupby(["layer", "kind", "status"], sort=False).size().reset_index(name="runs")
    rows = [
        [Cell(row["layer"]), Cell(row["kind"]), Cell(row["status"]), Cell(str(row["runs"]))]
        for row in counted.head(MAX_ROWS).to_dict("records")
    ]
    caption = text("table.coverage")
    if len(counted) > MAX_ROWS:
        caption = text("page.table_rows", caption=caption, n=len(counted), shown=MAX_ROWS)
    return Table("coverage", caption, ("layer", "layer_kind", "status", "runs"), rows, "tables/coverage.csv")


def _spread(row: Mapping[Hashable, Any], name: str, n: int, form: Callable[[float], str]) -> Cell:
    return bounded(row[name], row[f"{name}_low"], row[f"{name}_high"], n, form)
