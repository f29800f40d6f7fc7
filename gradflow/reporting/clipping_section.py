"""The section on gradient clipping: how often it bound."""

from __future__ import annotations

from gradflow.analysis.clipping import clipping
from gradflow.reporting.page_tables import RUN
from gradflow.reporting.section import Section, Tabled
from gradflow.tables import DASH, Cell, Column, ranged
from gradflow.text.numbers import number, percent

COLUMNS = (
    RUN,
    Column("clipped_steps", lambda row: f"{row['n_bound']} / {row['n']}"),
    Column("share", lambda row: Cell(percent(row["share"]), ranged(row["low"], row["high"], percent))),
    Column("clipped_kept", lambda row: number(row["kept"]) if row["n_bound"] else DASH),
    Column("clipped_last", lambda row: str(row["step"]) if row["n_bound"] else DASH),
)
CLIPPING = Section(
    "clipping",
    130,
    lambda data: clipping(data.runs),
    words=("clipping.lead",),
    parts=(Tabled("clipping", COLUMNS),),
    is_detail=True,
)
