"""The section on errors after training of whatever was run that is no comparison: a table."""

from __future__ import annotations

from typing import Any

from gradflow.reporting.page_tables import NETWORK, page_table
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Section
from gradflow.tables import Cell, Column, Table, column, interval
from gradflow.text.numbers import multiple_of, percent, signed_points

SUMMARY = (
    NETWORK,
    Column("n", lambda row: str(max(row["n"], row["n_test"]))),
    interval("train_error", percent),
    interval("test_error", percent, n="n_test"),
    interval("grad_ratio", multiple_of),
    interval("out_grad_ratio", multiple_of),
)
DIFFERENCES = (
    Column("depth", lambda row: Cell(str(row["depth"]), str(row["settings"])), is_number=False),
    column("pairs", of="n"),
    interval("difference", signed_points, of="mean", bounds="{1}"),
)


def has_errors(data: ReportData) -> bool:
    """Whether some run was evaluated."""
    return bool(data.runs) and not data.errors["train_error"].isna().all()


def _summary(data: ReportData, _: Any) -> Table:
    return page_table("summary", SUMMARY, data.summary, "tables/summary.csv")


def _differences(data: ReportData, _: Any) -> Table | None:
    frame = data.differences
    return page_table("paired_difference", DIFFERENCES, frame, "tables/paired_difference.csv") if len(frame) else None


TABLES = (_summary, _differences)
ERRORS = Section("errors", 10, lambda data: not data.is_comparison and has_errors(data), parts=TABLES)
