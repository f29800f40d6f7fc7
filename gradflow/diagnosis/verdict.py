"""The verdict: what is wrong first of all, on what evidence, what to change first, and what was checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gradflow.diagnosis.checks import Check, needs, subjects
from gradflow.diagnosis.finding import LAYOUT, SHOWN, Finding
from gradflow.text import has, text


class Verdict(NamedTuple):
    """What is said first of some runs: `severity` and its word, `tag`, of the finding, and a headline.

    `evidence` is the finding's sentence, and its cause; `first` and `then` what to change; `follows` short names of
    what else was found and follows from it; `measured` how often such a finding was right. `fine` and `unchecked` are
    what was checked, and what could not be; `needs` what to record for the latter.
    """

    severity: str
    tag: str
    headline: str
    evidence: list[str]
    first: str
    then: str
    follows: list[str]
    measured: list[str]
    fine: list[str]
    unchecked: list[str]
    needs: list[str]


def verdict(findings: Sequence[Finding], checks: Sequence[Check]) -> Verdict:
    """Return the first finding that no other explains, in words; that none was found where there is none."""
    found = gravest(findings)
    unchecked = [one for one in checks if one.status == "unchecked"]
    names = ([one.words for one in checks if one.status == "fine"], [one.words for one in unchecked])
    checked = [*(list(dict.fromkeys(one)) for one in names), needs(unchecked)]
    is_alone = len(subjects(findings, checks)) == 1
    if found is None:
        healthy = [one.said if is_alone else str(one) for one in findings if one.severity == "healthy"]
        return Verdict("healthy", "", text("verdict.none"), healthy[:1], "", "", [], [], *checked)
    first, *others = ([] if found.key in LAYOUT else found.fixes) or [""]
    return Verdict(
        found.severity,
        text(f"severity.{found.severity}"),
        name_of(found),
        [found.said if is_alone else str(found), *([text(found.cause)] if found.cause else [])],
        first,
        text("list.sentences").join(others),
        list(dict.fromkeys(name_of(one) for one in _spoken(findings) if one.subject == found.subject and one.follows)),
        how_sure(found),
        *checked,
    )


def how_sure(finding: Finding) -> list[str]:
    """Return the sentence on how often such a finding was right, empty where that was not measured."""
    if finding.measured is None:
        return []
    right, of = finding.measured
    return [text("verdict.right", right=str(right), of=str(of))]


def gravest(findings: Sequence[Finding]) -> Finding | None:
    """Return the gravest problem or notice that follows from no other, None where there is none."""
    return next((one for one in _spoken(findings) if not one.follows), None)


def _spoken(findings: Sequence[Finding]) -> list[Finding]:
    return [one for one in findings if one.severity in SHOWN and name_of(one)]


def name_of(finding: Finding) -> str:
    """Return the short name of what a finding says, empty where it needs none."""
    return text(f"verdict.of.{finding.key}") if has(f"verdict.of.{finding.key}") else ""
