"""Rules that look at one run at a time: what they found, and how it becomes one finding of all runs of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from gradflow.diagnosis.finding import SEVERITIES, Finding, Severity
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording


class Found(NamedTuple):
    """What a rule found in one run."""

    key: str
    severity: Severity
    values: Mapping[str, Value]
    cause: str = ""
    remedies: tuple[str, ...] = ()


FindIn = Callable[[Recording], Found | None]


def problem_if(harms: bool) -> Severity:
    """Return "problem" where something does harm, else "notice"."""
    return "problem" if harms else "notice"


def each_run(figure: str) -> Callable[[FindIn], Callable[[list[Case]], list[Finding]]]:
    """Return a decorator that makes a rule of what finds something in one run: see `over_runs`."""
    return lambda find_in: lambda cases: over_runs(cases, find_in, figure)


def by_first(cases: list[Case], find_in: Callable[[Recording], list[Found]], figure: str) -> list[Finding]:
    """Return one finding for each case and key: that of the first run with it, and in how many runs it is."""
    findings = []
    for case in cases:
        found = [find_in(recording) for recording in case.recordings]
        for key in dict.fromkeys(one.key for run in found for one in run):
            own = [one for run in found for one in run if one.key == key]
            _, severity, values, cause, remedies = own[0]
            counts: dict[str, Value] = {"n_runs": len(own), "runs": len(found)}
            findings.append(Finding(key, severity, case.subject, {**values, **counts}, figure, cause, remedies))
    return findings


def over_runs(cases: list[Case], find_in: FindIn, figure: str) -> list[Finding]:
    """Return one finding for each case and key: that of the run in which it is gravest, and in how many runs it is."""
    findings = []
    for case in cases:
        found = [one for recording in case.recordings if (one := find_in(recording)) is not None]
        for key in dict.fromkeys(one.key for one in found):
            own = sorted((one for one in found if one.key == key), key=lambda one: SEVERITIES.index(one.severity))
            counts: dict[str, Value] = {"n_runs": len(own), "runs": len(case.recordings)}
            _, severity, values, cause, remedies = own[0]
            findings.append(Finding(key, severity, case.subject, {**values, **counts}, figure, cause, remedies))
    return findings
