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
from gradflow.reporting.contents import Contents
from gradflow.reporting.figures import draw
from gradflow.reporting.live.times import times as live_times
from gradflow.reporting.tables import Cell, Table, table
from gradflow.text import text
from gradflow.text.numbers import factor, signed

MAX_ROWS = 60  # of the table


def times(contents: Contents) -> Section | None:
    """Return the section, or None if no gradient was recorded by time step."""
    frame = contents.times
    if not (frame["grad_norm"] > 0).any():
        return None
    moment = style.words("when.batch") if contents.is_analysis else None
    last = frame.groupby("run")["step"].transform("max")
    drawn = gradient_over_time_over_seeds(frame[frame["step"].isin(MOMENTS) | (frame["step"] == last)])
    picture = draw(
        "times",
        partial(gradient_over_time_figure, drawn, moment=moment),
        contents.folder,
        alt=text("times.alt", finding=contents.finding_for("times")).strip(),
        live=live_times(frame),
    )
    return section(
        "times", text("times.lead"), _without_input(frame), blocks=[picture, _table(frame[frame["step"] == last])]
    )


def _without_input(frame: pd.DataFrame) -> str:
    """Return which layers were measured at their output alone, an empty string for none."""
    measured = set(frame.loc[frame["tensor"] == "input", "layer"])
    others = [layer for layer in frame["layer"].unique() if layer not in measured]
    return text("times.no_input", layers=text("list.enumeration").join(others)) if others else ""


def _table(frame: pd.DataFrame) -> Table:
    """Return one row per run and sequence: from where to where it was measured, and what is left of it there."""
    found = reach_over_time(frame).head(MAX_ROWS)
    rows = [_cells(row) for row in found.to_dict("records")]
    columns = ("network", "sequence", "positions", "decades_over_time", "factor_over_time", "reach")
    return table("times", text("table.times"), columns, rows, "tables/times.parquet")


def _cells(row: Mapping[Hashable, Any]) -> list[Cell]:
    positions = f"{row['last']} → {row['first']}" if row["last"] >= 0 else "–"
    measured = [Cell("–")] * 3
    if not math.isnan(row["decades"]):
        measured = [Cell(signed(row["decades"])), Cell(factor(row["factor"])), Cell(str(row["reach"]))]
    return [Cell(str(row["run"])), Cell(sequence_name(row["layer"], row["tensor"])), Cell(positions), *measured]
