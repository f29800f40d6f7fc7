"""The section on gradient clipping: how often it bound."""

from __future__ import annotations

from gradflow.analysis.clipping import clipping as frame_of
from gradflow.reporting.blocks import Section, section
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.tables import RUN, page_table
from gradflow.tables import DASH, Cell, Column, ranged
from gradflow.text import text
from gradflow.text.numbers import number, percent


def clipping(data: ReportData) -> Section | None:
    """Return the section, or None if no run recorded the gradient's norm before and after clipping."""
    frame = frame_of(data.runs)
    if frame.empty:
        return None
    columns = (
        RUN,
        Column("clipped_steps", lambda row: f"{row['n_bound']} / {row['n']}"),
        Column("share", lambda row: Cell(percent(row["share"]), ranged(row["low"], row["high"], percent))),
        Column("clipped_kept", lambda row: number(row["kept"]) if row["n_bound"] else DASH),
        Column("clipped_last", lambda row: str(row["step"]) if row["n_bound"] else DASH),
    )
    return section("clipping", text("clipping.lead"), blocks=[page_table("clipping", columns, frame)])
