"""The section on gradient clipping: how often it bound."""

from __future__ import annotations

from gradflow.analysis.clipping import clipping as frame_of
from gradflow.reporting.blocks import Section, section
from gradflow.reporting.contents import Contents
from gradflow.reporting.tables import Cell, table
from gradflow.text import text
from gradflow.text.numbers import number, percent


def clipping(contents: Contents) -> Section | None:
    """Return the section, or None if no run recorded the gradient's norm before and after clipping."""
    frame = frame_of(contents.runs)
    if frame.empty:
        return None
    rows = [
        [
            Cell(str(row["run"])),
            Cell(f"{row['n_bound']} / {row['n']}"),
            Cell(percent(row["share"]), text("list.range", low=percent(row["low"]), high=percent(row["high"]))),
            Cell(number(row["kept"]) if row["n_bound"] else "–"),
            Cell(str(row["step"]) if row["n_bound"] else "–"),
        ]
        for row in frame.to_dict("records")
    ]
    columns = ("network", "clipped_steps", "share", "clipped_kept", "clipped_last")
    return section("clipping", text("clipping.lead"), blocks=[table("clipping", text("table.clipping"), columns, rows)])
