"""What `gradflow diagnose` prints: findings and what was checked, as lines or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradflow import storage
from gradflow.analysis.intervals import Interval
from gradflow.analysis.sources import from_sources
from gradflow.cli import output
from gradflow.cli.busy import busy
from gradflow.cli.terminal import show
from gradflow.diagnosis import Findings, diagnose
from gradflow.diagnosis.cards import cards
from gradflow.diagnosis.checks import Check, needs
from gradflow.diagnosis.finding import Finding
from gradflow.tables.exports import as_json as as_json_text
from gradflow.text import text
from gradflow.text.controls import utf8

# Values that name layers, and those that name steps, as findings hold them.
LAYERS = ("layer", "user", "first", "last", "before", "behind", "example", "source")
STEPS = ("step", "after")


def print_diagnosis(runs: Sequence[Path], *, as_json: bool) -> None:
    """Print what is found in the recordings of some folders."""
    folders = {folder.resolve(): folder for folder in storage.find(runs)}
    with busy("reading"):
        findings = diagnose(from_sources(_by_parent(list(folders))))
    if as_json:
        output.emit(as_json_text(as_data(findings)))
        return
    show(*cards(findings, findings.checks))


def as_data(findings: Findings) -> dict[str, Any]:
    """Return findings and what was checked as JSON values."""
    return {"findings": [_as_json(one) for one in findings], "checks": [_checked(one) for one in findings.checks]}


def _by_parent(folders: list[Path]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for folder in folders:
        found.setdefault(utf8(folder.parent), []).append(storage.load_one(folder))
    return found


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
        "remedies": finding.fixes,
        "follows": finding.follows,
        "measured": None if finding.measured is None else dict(zip(("right", "of"), finding.measured, strict=True)),
    }


def _checked(one: Check) -> dict[str, str]:
    needed = needs([one])[0] if one.status == "unchecked" else ""
    return {"subject": one.subject.label, "check": one.name, "status": one.status, "needs": needed}
