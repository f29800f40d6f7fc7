"""The section on what differs between two runs, or two groups of runs, in the report that `gradflow diff` writes."""

from __future__ import annotations

from gradflow.reporting.section import Section

DIFFERENCE = Section(
    "difference",
    3,
    lambda data: data.difference or None,
    words=(lambda _, tables: tables[0].caption,),
    parts=(lambda _, tables: list(tables),),
)
