"""The section on method: what was run, on what, and what the words mean."""

from __future__ import annotations

from typing import Any

from gradflow.reporting.method import facts, overhead
from gradflow.reporting.page_blocks import Block, Facts
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Section
from gradflow.text import DEFAULT_LANGUAGE, catalogue, text


def _facts(data: ReportData, _: Any) -> list[Block]:
    found: list[Block] = []
    if data.probed:
        found.append(Facts(facts(data.probed, data.command), commands=True))
    if data.demonstration:
        found.append(Facts(facts(data.demonstration, None if data.probed else data.command), commands=True))
    return found


def _definitions(data: ReportData, _: Any) -> Facts:
    known = [key for key in catalogue(DEFAULT_LANGUAGE) if key.startswith("definition.")]
    terms = [text(key).partition(text("list.colon")) for key in known]
    return Facts([(name, meaning) for name, _, meaning in terms])


METHOD = Section(
    "method",
    240,
    lambda _: True,
    words=("method.lead", lambda data, _: overhead(data.recordings)),
    parts=(_facts, _definitions),
    is_detail=True,
)
