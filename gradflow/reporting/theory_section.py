"""The section on theory: measured factors per layer beside their closed forms, with the relative difference."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pandas as pd

from gradflow import plots
from gradflow.figures.factors_figure import factors, row_name
from gradflow.reporting.live.screen import live
from gradflow.reporting.page_figures import Picture, draw
from gradflow.reporting.page_tables import page_table
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Section
from gradflow.tables import DASH, Cell, Column, Table, bounded, column, interval
from gradflow.text import text
from gradflow.text.numbers import factor, percent
from gradflow.text.words import law_words


def _in_words(_: ReportData, frame: pd.DataFrame) -> str:
    """Return how far measured and predicted factors are apart, and how many intervals hold the prediction."""
    known = frame[frame["predicted"].notna()]
    if known.empty:
        return ""
    off = known["difference"].abs()
    furthest = known.iloc[int(off.to_numpy().argmax())]
    tested = known["inside"].dropna()
    held = text("beside.held", held=int(tested.sum()), tested=len(tested)) if len(tested) else ""
    median, largest = percent(off.median()), percent(off.max())
    said = text("beside.off", n=len(known), median=median, largest=largest, where=row_name(furthest.to_dict()))
    return f"{said} {held}".strip()


def _tends(_: ReportData, frame: pd.DataFrame) -> str:
    """Return that residual factors come nearer to 1 with depth, if they do so in each stage."""
    residual = frame[(frame["family"] == "residual") & (frame["n"] > 0)]
    stages = [rows.sort_values("depth") for _, rows in residual.groupby("stage")]
    if not stages or any(len(rows) < 2 for rows in stages):
        return ""
    if not all(rows["factor"].is_monotonic_decreasing and rows["factor"].min() > 1 for rows in stages):
        return ""
    last = stages[-1]  # furthest from the first layer, which sees data and not a block's output
    return text(
        "beside.tends",
        factors=text("list.enumeration").join(factor(value) for value in last["factor"]),
        depths=text("list.enumeration").join(str(depth) for depth in last["depth"]),
        stage=int(last["stage"].iloc[0]) + 1,
    )


def _difference(row: dict[Any, Any]) -> Cell | str:
    bounds = row["difference"], row["difference_low"], row["difference_high"]
    return DASH if math.isnan(row["predicted"]) else bounded(*bounds, int(row["n"]), percent)


def _law(row: dict[Any, Any]) -> str:
    return law_words(str(row["shape"]), str(row["trend"]))


def _figure(data: ReportData, frame: pd.DataFrame) -> Picture | None:
    said = _in_words(data, frame)
    make, alt = partial(plots.predicted_figure, frame), text("beside.alt", finding=said)
    return draw("predicted", make, data.folder, alt=alt, live=live(factors(frame))) if said else None


COLUMNS = (
    Column("setting", row_name, is_number=False),
    interval("factor", factor, bounds="{1}"),
    column("beside_predicted", factor, of="predicted"),
    Column("beside_difference", _difference),
    Column("closed_form", lambda row: Cell(_law(row), text(f"theory.source.{row['source']}")), is_number=False),
)


def _table(_: ReportData, frame: pd.DataFrame) -> Table:
    """Return one row per setting, or network and stage."""
    return page_table("predicted", COLUMNS, frame, "tables/predicted.csv", title=text("table.beside"))


BESIDE = Section(
    "beside",
    160,
    lambda data: data.predicted,
    words=("beside.lead", _in_words, _tends),
    parts=(_figure, _table),
    files=lambda data: {"predicted": data.predicted},
    is_detail=True,
)
