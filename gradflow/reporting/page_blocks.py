"""The pieces a page is made of; the template knows one way to show each."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlencode

from gradflow.diagnosis import Finding, sentence
from gradflow.reporting.page_figures import Picture
from gradflow.tables import Table
from gradflow.text import text
from gradflow.text.numbers import count
from gradflow.text.words import named

MAX_LINES = 12  # of one statement that are in sight
_WITHOUT_FAULT = ("healthy", "healthy_trained")  # keys of findings that say no more than their numbers


class Facts(NamedTuple):
    """Names and values; in `commands` the first value is a command line."""

    rows: list[tuple[str, str]]
    commands: bool = False
    kind: str = "facts"


class Statement(NamedTuple):
    """One finding in words: where it comes from, what to try, which section shows it, what is to be chosen there.

    `lines` say the same of others; under `also`, which names them, they are folded.
    """

    sentence: str
    notes: list[str]
    section: str
    lines: tuple[str, ...] = ()
    choose: str = ""
    also: str = ""


class Statements(NamedTuple):
    """The findings of one severity; those that are folded show how many there are."""

    title: str
    severity: str
    items: list[Statement]
    is_folded: bool = False
    kind: str = "statements"


Block = Picture | Table | Facts | Statements


def statements(findings: list[Finding], severity: str) -> Statements:
    """Return the findings of one severity in words, one statement for those that say the same of several networks."""
    shown = [finding for finding in findings if finding.severity == severity]
    alike: dict[str, list[Finding]] = {}
    for finding in shown:
        if finding.key not in _WITHOUT_FAULT:
            alike.setdefault(finding.key, []).append(finding)
    items = [_together(group) for group in alike.values()]
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in shown:
        if finding.key in _WITHOUT_FAULT:
            groups.setdefault(tuple(finding.values[name] for name in ("when", "measure", "step")), []).append(finding)
    items += [_without_fault(group) for group in groups.values()]
    return Statements(text(f"severity.{severity}"), severity, items)


def _together(group: list[Finding]) -> Statement:
    """Return the first of several findings, and what is the same of the others."""
    first, *others = group
    names = dict.fromkeys(named(finding.subject.label) for finding in others)
    return Statement(
        str(first),
        [text(key) for key in dict.fromkeys(key for one in group for key in (one.cause, *one.remedies)) if key],
        first.figure,
        tuple(str(finding) for finding in others),
        _choice(first),
        text("page.also", others=text("list.enumeration").join(names)) if others else "",
    )


def _choice(finding: Finding) -> str:
    """Return what a live figure must show for a reader to see what a finding says, as a query."""
    chosen = {name: finding.values[name] for name in ("measure", "step") if name in finding.values}
    return urlencode(chosen)


def _without_fault(group: list[Finding]) -> Statement:
    """Return one statement for all networks in which no rule found a fault: a short line of numbers for each."""
    first = group[0]
    if len(group) == 1:
        return Statement(str(first), [], first.figure, choose=_choice(first))
    lines = tuple(sentence(f"{finding.key}_line", finding.subject.label, finding.values) for finding in group)
    lead = sentence("healthy_list", "", {name: first.values[name] for name in ("when", "measure", "step")})
    also = count(len(lines), "networks") if len(lines) > MAX_LINES else ""
    return Statement(lead, [], first.figure, lines, _choice(first), also)
