"""The sections on errors after training: against depth in a comparison, as a table of whatever else was run."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd

from gradflow import plots
from gradflow.analysis.published import published
from gradflow.reporting import published_section
from gradflow.reporting.drawing import Make
from gradflow.reporting.live.degradation import degradation as live_degradation
from gradflow.reporting.live.figure import Live
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Drawing, Section
from gradflow.reporting.tables import NETWORK, page_table
from gradflow.tables import Cell, Column, Table, column, interval
from gradflow.text import text
from gradflow.text.numbers import decades_of, percent, signed_points

SUMMARY = (
    NETWORK,
    Column("n", lambda row: str(max(row["n"], row["n_test"]))),
    interval("train_error", percent),
    interval("test_error", percent, n="n_test"),
    interval("grad_ratio", decades_of),
    interval("out_grad_ratio", decades_of),
)
DIFFERENCES = (
    Column("depth", lambda row: Cell(str(row["depth"]), str(row["settings"])), is_number=False),
    column("pairs", of="n"),
    interval("difference", signed_points, of="mean", bounds="{1}"),
)


def _paper(data: ReportData, _: Any) -> Make:
    frames = (data.errors, data.errors_over_seeds, data.differences)
    asked = published_section.asked_error(data)
    return partial(plots.degradation_figure, *frames, measure=asked, published=published(data.runs))


def _screen(data: ReportData, _: Any) -> Live | None:
    asked = published_section.asked_error(data)
    known = published(data.runs)
    return live_degradation(data.errors, data.errors_over_seeds, known, data.differences, first=asked)


def _alt(data: ReportData, _: Any) -> str:
    if published_section.asked_error(data) == published_section.TEST:
        return text("degradation.alt_test", finding=published_section.answer(data))
    return text("degradation.alt", finding=data.finding_for("degradation")).strip()


def _caveat(data: ReportData, _: Any) -> str:
    """Return that all networks had the same budget, where they had."""
    budgets = {str(run.meta.get("steps")) for run in data.runs} - {"None"}
    return text("degradation.caveat", steps=budgets.pop()) if len(budgets) == 1 else ""


def _has_errors(data: ReportData) -> bool:
    return bool(data.runs) and not data.errors["train_error"].isna().all()


def _summary(data: ReportData, _: Any) -> Table:
    return page_table("summary", SUMMARY, data.summary, "tables/summary.csv")


def _differences(data: ReportData, _: Any) -> Table | None:
    frame = data.differences
    return page_table("paired_difference", DIFFERENCES, frame, "tables/paired_difference.csv") if len(frame) else None


def _files(data: ReportData) -> dict[str, pd.DataFrame]:
    if not data.runs:
        return {}
    return {
        "summary": data.summary,
        "degradation": data.errors,
        "degradation_over_seeds": data.errors_over_seeds,
        "paired_difference": data.differences,
    }


DEGRADATION = Section(
    "degradation",
    10,
    lambda data: data.is_comparison and _has_errors(data),
    words=("degradation.lead", _caveat),
    parts=(Drawing("degradation", _paper, _screen, _alt), _summary, _differences),
    files=_files,
)
ERRORS = Section(
    "errors", 10, lambda data: not data.is_comparison and _has_errors(data), parts=(_summary, _differences)
)
