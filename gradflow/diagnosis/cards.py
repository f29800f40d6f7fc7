"""Findings as tables to read: a card for each network with causes, remedies and checks, and one for the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradflow.diagnosis.checks import Check, needs, subjects
from gradflow.diagnosis.finding import LAYOUT, SHOWN, Finding
from gradflow.diagnosis.places import line_of
from gradflow.diagnosis.verdict import Verdict, how_sure
from gradflow.tables import Table
from gradflow.text import text
from gradflow.text.controls import printable
from gradflow.text.words import named

Row = tuple[str, str]


def cards(findings: Sequence[Finding], checks: Sequence[Check]) -> list[Table]:
    """Return a table for each network: what was found, why and what to change, what follows, and what was checked."""
    found = []
    for subject in subjects(findings, checks):
        own = [one for one in findings if one.subject == subject]
        asked = [one for one in checks if one.subject == subject]
        found.append(Table(named(subject.label), (), _headed([*_findings(own), *_checks(asked)])))
    return found


def in_a_line(finding: Finding) -> str:
    """Return a finding in one line: how grave it is, what is wrong, and what to change first where that is known."""
    head = text("watch.finding", severity=text(f"severity.{finding.severity}"), sentence=finding)
    remedies = [text("list.colon").join([text("verdict.change"), text(one)]) for one in finding.remedies[:1]]
    return printable(text("list.sentences").join([head, *remedies]))


def card(verdict: Verdict) -> Table:
    """Return the verdict as a table: what is wrong, the evidence, and what to change; else what was checked."""
    rows = [(verdict.tag or text("severity.healthy"), verdict.headline), *(("", said) for said in verdict.evidence[:1])]
    if verdict.first:
        rows.append((text("verdict.change"), verdict.first))
    if verdict.severity == "healthy":
        checked = (("verdict.fine", verdict.fine), ("verdict.unchecked", verdict.unchecked))
        rows += [(text(key), text("list.enumeration").join(names)) for key, names in checked if names]
    return Table("", (), rows)


def _findings(own: list[Finding]) -> Iterator[Row]:
    """Yield what is wrong with one network, each problem with its cause and what to change, then what follows."""
    shown = [one for one in own if one.severity in SHOWN]
    if not any(one.severity == "problem" for one in shown):
        yield "", text("verdict.none")
    alike: dict[str, list[Finding]] = {}
    for one in shown:
        if not one.follows:
            alike.setdefault(one.key, []).append(one)
    for finding, *others in alike.values():
        yield text(f"severity.{finding.severity}"), finding.said
        if finding.cause:
            yield text("verdict.why"), text(finding.cause)
        first = "verdict.usual" if finding.key in LAYOUT else "verdict.change"
        for place, fix in enumerate(finding.fixes):
            yield text("verdict.then" if place else first), fix
        if line := line_of(finding):
            yield text("verdict.line"), line
        yield from ((text("verdict.measured"), said) for said in how_sure(finding))
        yield from ((text("verdict.also"), other.said) for other in others)
    yield from ((text("verdict.follows"), one.said) for one in shown if one.follows)
    yield from ((text("severity.healthy"), one.said) for one in own if one.severity == "healthy")


def _checks(asked: list[Check]) -> Iterator[Row]:
    """Yield what was fine, and what could not be checked and what to record for it."""
    fine = [one.words for one in asked if one.status == "fine"]
    if fine:
        yield text("verdict.fine"), text("list.enumeration").join(fine)
    yield from ((text("verdict.unchecked"), need) for need in needs(one for one in asked if one.status == "unchecked"))


def _headed(rows: Sequence[Row]) -> list[Row]:
    """Return rows whose head is left out where it is that of the row above."""
    heads = ["", *(head for head, _ in rows)]
    return [("" if head == above else head, said) for above, (head, said) in zip(heads, rows, strict=False)]
