"""The section on recurrent layers: how far back in time the gradient reaches."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

import pandas as pd

from gradflow.analysis.profile import MOMENTS
from gradflow.analysis.times import gradient_over_time_over_seeds, reach_over_time
from gradflow.figures.columns import counted
from gradflow.figures.model import Figure
from gradflow.figures.times_figure import few_sequences, sequence_name, times
from gradflow.plots import style
from gradflow.reporting.live import seed_rows
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.row_limits import MAX_DOTS, steps_within
from gradflow.reporting.live.screen import live
from gradflow.reporting.page_tables import RUN, page_table
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Drawing, Section
from gradflow.tables import DASH, Column, Table, column
from gradflow.text import text
from gradflow.text.numbers import factor, multiple

MAX_ROWS = 60  # of the table
MAX_SHOWN = 40_000  # rows on a screen


def _frame(data: ReportData) -> pd.DataFrame | None:
    return data.times if (data.times["grad_norm"] > 0).any() else None


def _is_last(frame: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows are of their run's last step."""
    return frame["step"] == frame.groupby("run")["step"].transform("max")


def _figure(data: ReportData, frame: pd.DataFrame) -> Callable[[], Figure]:
    moment = style.words("when.batch") if data.is_analysis else None
    drawn = gradient_over_time_over_seeds(frame[frame["step"].isin(MOMENTS) | _is_last(frame)])
    return partial(times, drawn, moment=moment)


def on_screen(frame: pd.DataFrame) -> Live | None:
    """Return the figure of `gradient_over_time` at all recorded steps with its seeds, at few enough steps, or None."""
    if not (frame["grad_norm"] > 0).any():
        return None
    thin = few_sequences(frame)
    recorded = sorted(int(step) for step in thin["step"].unique())
    of_one_step = len(thin[thin["step"] == recorded[0]])
    steps = steps_within(recorded, 2 * of_one_step, MAX_SHOWN)
    figure = times(_with_seeds(thin[thin["step"].isin(steps)]))
    notes = [text("live.fitted")] if len(steps) > 1 else []
    if len(steps) < len(recorded):
        notes.append(text("live.times.steps", n=len(steps), of=len(recorded)))
    n_positions = int(figure.rows.groupby("family")["time"].nunique().max())
    return live(figure, 320, notes=notes, has_dots=n_positions <= MAX_DOTS)


def _with_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the mean's and the seeds' rows, with the numbers of zeros and infinities."""
    runs = counted(frame, frame["grad_norm"])
    rows = seed_rows.with_seeds(gradient_over_time_over_seeds(frame), runs, "grad_norm")
    return rows.sort_values(["seed", "step", "family", "time"], kind="stable")


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
    column("decades_over_time", multiple, of="decades"),
    Column("factor_over_time", lambda row: DASH if math.isnan(row["decades"]) else factor(row["factor"])),
    Column("reach", _reach),
)
TIMES = Section(
    "times",
    70,
    _frame,
    words=("times.lead", _without_input),
    parts=(Drawing("times", _figure, "times.alt", lambda _, frame: on_screen(frame)), _table),
    files=lambda data: {"times": data.times},
)
