"""What `gradflow diagnose` prints: findings, what follows from them, and what was checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gradflow import storage
from gradflow.analysis.intervals import Interval
from gradflow.analysis.sources import from_sources
from gradflow.cli import output
from gradflow.cli.terminal import width
from gradflow.diagnosis import diagnose
from gradflow.diagnosis.checks import Check, checks
from gradflow.diagnosis.finding import Finding
from gradflow.tables.data import as_json as as_json_text
from gradflow.text import text
from gradflow.text.controls import utf8
from gradflow.text.widths import wrapped
from gradflow.text.words import named

INDENT = "   "
# Values that name layers, and those that name steps, as findings hold them.
LAYERS = ("layer", "user", "first", "last", "before", "behind", "example", "source")
STEPS = ("step", "after")
SHOWN = ("problem", "notice")


def print_diagnosis(runs: Sequence[Path], *, as_json: bool) -> None:
    """Print what is found in the recordings of some folders."""
    folders = {folder.resolve(): folder for folder in storage.find(runs)}
    recordings = from_sources(_by_parent(list(folders)))
    findings = diagnose(recordings)
    checked = checks(recordings, findings)
    if as_json:
        said = {"findings": [_as_json(one) for one in findings], "checks": [_checked(one) for one in checked]}
        output.emit(as_json_text(said))
        return
    every = [*(one.subject for one in findings), *(one.subject for one in checked)]
    subjects = [subject for subject in dict.fromkeys(every) if subject.label]
    for number, subject in enumerate(subjects):
        own = [one for one in findings if one.subject == subject and one.severity in SHOWN]
        healthy = [one for one in findings if one.subject == subject and one.severity == "healthy"]
        for line in [*([""] if number else []), *_told(named(subject.label), own, healthy)]:
            output.say(line)
        for line in _checks([one for one in checked if one.subject == subject]):
            output.say(line)


def _by_parent(folders: list[Path]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for folder in folders:
        found.setdefault(utf8(folder.parent), []).append(storage.load_one(folder))
    return found


def _told(label: str, findings: list[Finding], healthy: list[Finding]) -> Iterator[str]:
    """Yield the lines of one network: each problem with its cause and what to change, then what follows from it."""
    yield label
    if not any(one.severity == "problem" for one in findings):
        yield from _line(text("cli.diagnose.no_problem"), INDENT)
    alike: dict[str, list[Finding]] = {}
    for one in findings:
        if not one.follows:
            alike.setdefault(one.key, []).append(one)
    for number, (finding, *others) in enumerate(alike.values(), 1):
        yield from _line(finding.said, f"{number}. ", text(f"severity.{finding.severity}"))
        for other in others:
            yield from _line(text("cli.diagnose.also", said=other.said), INDENT)
        if finding.cause:
            yield from _line(text("cli.diagnose.why", cause=text(finding.cause)), INDENT)
        for place, remedy in enumerate(finding.remedies):
            yield from _line(text("cli.diagnose.then" if place else "cli.diagnose.first", remedy=text(remedy)), INDENT)
    following = [one for one in findings if one.follows]
    if following:
        yield from _line(text("cli.diagnose.follows"), "")
        for finding in following:
            yield from _line(finding.said, "- ")
    for finding in healthy:
        yield from _line(finding.said, "- ")


def _checks(found: list[Check]) -> Iterator[str]:
    """Yield what was fine, and what could not be checked and what to record for it."""
    fine = [text(f"check.{one.name}") for one in found if one.status == "fine"]
    if fine:
        yield from _line(text("cli.diagnose.fine", checks=text("list.separator").join(fine)), "")
    unchecked = [one for one in found if one.status == "unchecked"]
    if unchecked:
        yield from _line(text("cli.diagnose.unchecked"), "")
    for one in unchecked:
        yield from _line(text(f"need.{one.need}", check=text(f"check.{one.name}")), "- ")


def _line(words: str, mark: str, head: str = "") -> Iterator[str]:
    said = text("cli.diagnose.headed", head=head, said=words) if head else words
    yield from wrapped(said, width(), first=mark, indent=" " * len(mark))


def _as_json(finding: Finding) -> dict[str, Any]:
    values = {name: value._asdict() if isinstance(value, Interval) else value for name, value in finding.values.items()}
    layers = [value for name in LAYERS if isinstance(value := finding.values.get(name), str)]
    return {
        "key": finding.key,
        "severity": finding.severity,
        "subject": finding.subject.label,
        "runs": list(finding.subject.runs),
        "says": str(finding),
        "layers": list(dict.fromkeys(layers)),
        "steps": [finding.values[name] for name in STEPS if name in finding.values],
        "values": values,
        "cause": text(finding.cause) if finding.cause else "",
        "remedies": [text(remedy) for remedy in finding.remedies],
        "follows": finding.follows,
    }


def _checked(one: Check) -> dict[str, str]:
    need = text(f"need.{one.need}", check=text(f"check.{one.name}")) if one.status == "unchecked" else ""
    return {"subject": one.subject.label, "check": one.name, "status": one.status, "needs": need}
