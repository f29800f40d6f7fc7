"""The section on recurrent layers: how far back in time the gradient reaches."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any

import pandas as pd

from gradflow.analysis.profile import MOMENTS
from gradflow.analysis.times import gradient_over_time_over_seeds, reach_over_time
from gradflow.figures.times import sequence_name
from gradflow.plots import gradient_over_time_figure, style
from gradflow.reporting.drawing import Make
from gradflow.reporting.live.times import times as live_times
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Drawing, Section
from gradflow.reporting.tables import RUN, page_table
from gradflow.tables import DASH, Column, Table, column
from gradflow.text import text
from gradflow.text.numbers import factor, signed

MAX_ROWS = 60  # of the table


def _frame(data: ReportData) -> pd.DataFrame | None:
    return data.times if (data.times["grad_norm"] > 0).any() else None


def _is_last(frame: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows are of their run's last step."""
    return frame["step"] == frame.groupby("run")["step"].transform("max")


def _paper(data: ReportData, frame: pd.DataFrame) -> Make:
    moment = style.words("when.batch") if data.is_analysis else None
    drawn = gradient_over_time_over_seeds(frame[frame["step"].isin(MOMENTS) | _is_last(frame)])
    return partial(gradient_over_time_figure, drawn, moment=moment)


def _table(_: ReportData, frame: pd.DataFrame) -> Table:
    """Return one row per run and sequence: from where to where it was measured, and what is left of it there."""
    rows = reach_over_time(frame[_is_last(frame)]).head(MAX_ROWS)
    return page_table("times", COLUMNS, rows, "tables/times.parquet")


def _without_input(_: ReportData, frame: pd.DataFrame) -> str:
    """Return which layers were measured at their output alone, an empty string for none."""
    measured = set(frame.loc[frame["tensor"] == "input", "layer"])
    others = [layer for layer in frame["layer"].unique() if layer not in measured]
    return text("times.no_input", layers=text("list.enumeration").join(others)) if others else ""


def _positions(row: Mapping[Hashable, Any]) -> str:
    return f"{row['last']} → {row['first']}" if row["last"] >= 0 else DASH


def _reach(row: Mapping[Hashable, Any]) -> str:
    return DASH if math.isnan(row["decades"]) else str(row["reach"])


COLUMNS = (
    RUN,
    Column("sequence", lambda row: sequence_name(row["layer"], row["tensor"]), is_number=False),
    Column("positions", _positions),
    column("decades_over_time", signed, of="decades"),
    Column("factor_over_time", lambda row: DASH if math.isnan(row["decades"]) else factor(row["factor"])),
    Column("reach", _reach),
)
TIMES = Section(
    "times",
    70,
    _frame,
    words=("times.lead", _without_input),
    parts=(Drawing("times", _paper, lambda _, frame: live_times(frame), "times.alt"), _table),
    files=lambda data: {"times": data.times},
)
