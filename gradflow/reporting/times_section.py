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
from gradflow.reporting.blocks import Section, section
from gradflow.reporting.figures import draw
from gradflow.reporting.live.times import times as live_times
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.tables import RUN, page_table
from gradflow.tables import DASH, Column, column
from gradflow.text import text
from gradflow.text.numbers import factor, signed

MAX_ROWS = 60  # of the table


def times(data: ReportData) -> Section | None:
    """Return the section, or None if no gradient was recorded by time step."""
    frame = data.times
    if not (frame["grad_norm"] > 0).any():
        return None
    moment = style.words("when.batch") if data.is_analysis else None
    last = frame.groupby("run")["step"].transform("max")
    drawn = gradient_over_time_over_seeds(frame[frame["step"].isin(MOMENTS) | (frame["step"] == last)])
    picture = draw(
        "times",
        partial(gradient_over_time_figure, drawn, moment=moment),
        data.folder,
        alt=text("times.alt", finding=data.finding_for("times")).strip(),
        live=live_times(frame),
    )
    rows = reach_over_time(frame[frame["step"] == last]).head(MAX_ROWS)
    reached = page_table("times", COLUMNS, rows, "tables/times.parquet")
    return section("times", text("times.lead"), _without_input(frame), blocks=[picture, reached])


def _without_input(frame: pd.DataFrame) -> str:
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
