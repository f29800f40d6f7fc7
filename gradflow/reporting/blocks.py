"""The pieces a page is made of; the template knows one way to show each."""

from __future__ import annotations

from typing import NamedTuple

from gradflow.diagnosis import Finding
from gradflow.reporting.figures import Picture
from gradflow.reporting.tables import Table
from gradflow.text import text


class Facts(NamedTuple):
    """Names and values."""

    rows: list[tuple[str, str]]
    kind: str = "facts"


class Statement(NamedTuple):
    """One finding in words: where it comes from, what to try, and where it is drawn."""

    sentence: str
    notes: list[str]
    anchor: str


class Statements(NamedTuple):
    """The findings of one severity."""

    title: str
    severity: str
    items: list[Statement]
    kind: str = "statements"


Block = Picture | Table | Facts | Statements


class Section(NamedTuple):
    """One section of the page."""

    key: str
    title: str
    paragraphs: list[str]
    blocks: list[Block]


def section(key: str, *paragraphs: str, blocks: list[Block]) -> Section:
    """Return a section with the catalogue's title for its key, and its paragraphs that are not empty."""
    return Section(key, text(f"{key}.title"), [paragraph for paragraph in paragraphs if paragraph], blocks)


def statements(findings: list[Finding], severity: str, anchors: dict[str, str]) -> Statements:
    """Return the findings of one severity in words; `anchors` gives the page's anchor of each section key."""
    items = [
        Statement(
            str(finding),
            [text(key) for key in (finding.cause, *finding.remedies) if key],
            anchors.get(finding.figure, ""),
        )
        for finding in findings
        if finding.severity == severity
    ]
    return Statements(text(f"severity.{severity}"), severity, items)
