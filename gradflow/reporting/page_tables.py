"""The tables of what training came to, of the factors per layer, and of what was not measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from gradflow.reporting.report_data import ReportData
from gradflow.reporting.tables import NETWORK, page_table
from gradflow.tables import DASH, Cell, Column, Table, bounded, column, interval, words
from gradflow.text import text
from gradflow.text.numbers import factor, number, percent, signed, signed_points
from gradflow.text.words import word


def summary_table(frame: pd.DataFrame) -> Table:
    """Return one row per network: errors and gradient ratios."""
    columns = (
        NETWORK,
        Column("n", lambda row: str(max(row["n"], row["n_test"]))),
        interval("train_error", percent),
        interval("test_error", percent, n="n_test"),
        interval("grad_ratio", _as_decades),
        interval("out_grad_ratio", _as_decades),
    )
    return page_table("summary", columns, frame, "tables/summary.csv")


def differences_table(frame: pd.DataFrame) -> Table:
    """Return one row per depth: plain minus residual training error."""
    columns = (
        Column("depth", lambda row: Cell(str(row["depth"]), str(row["settings"])), is_number=False),
        column("pairs", of="n"),
        interval("difference", signed_points, of="mean", bounds="{1}"),
    )
    return page_table("paired-difference", columns, frame, "tables/paired_difference.csv")


def factors_table(data: ReportData, closed: float | None) -> Table:
    """Return one row per network, one column per stage: the measured factor, with the closed form beside them."""
    factors = data.factors.dropna(subset="factor")
    columns = [
        Column("factor", _factor_in(stage), head=text("cell.stage", number=stage + 1))
        for stage in sorted(factors["stage"].unique())
    ]
    law = Column("closed_form", lambda row: _law(str(row["family"]), closed), is_number=False)
    networks = [
        {**rows.iloc[0], "stages": {row["stage"]: row for row in rows.to_dict("records")}}
        for _, rows in factors.groupby(["family", "depth"], dropna=False)
    ]
    return page_table("factor", (NETWORK, *columns, law), networks, "tables/decay_over_seeds.csv")


def _factor_in(stage: int) -> Callable[[Any], Cell | str]:
    """Return what writes a network's factor in a stage."""

    def cell(network: Any) -> Cell | str:
        row = network["stages"].get(stage)
        return DASH if row is None else bounded(row["factor"], row["low"], row["high"], int(row["n"]), factor)

    return cell


def _law(family: str, closed: float | None) -> str:
    """Return what theory says of a family with batch norm before ReLU, where that is what was run."""
    if closed is None or family not in ("plain", "residual"):
        return DASH
    return factor(closed) if family == "plain" else text("word.power law")


def coverage_table(frame: pd.DataFrame) -> Table:
    """Return one row per reason and kind of layer: how many layers, in how many runs, and which is the first."""
    found = frame.groupby(["status", "kind"], sort=False)
    counted = found.agg(layers=("layer", "size"), runs=("run", "nunique"), example=("layer", "first")).reset_index()
    columns = (words("status", word), words("kind"), column("layers"), column("runs"), words("example"))
    return page_table("coverage", columns, counted, "tables/coverage.csv")


def _as_decades(ratio: float) -> str:
    return signed(math.log10(ratio)) if ratio > 0 else number(ratio)
