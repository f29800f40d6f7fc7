"""The first screen of one's own runs: what is wrong, on what evidence, what to change first, what was checked."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from gradflow import plots
from gradflow.analysis.gradient_flow import gradient_flow
from gradflow.diagnosis import Finding
from gradflow.diagnosis.checks import checks
from gradflow.figures.gradient_flow import gradient_flow as described
from gradflow.reporting.figures import Picture, draw
from gradflow.reporting.live.screen import live
from gradflow.reporting.published_section import answer
from gradflow.reporting.report_data import ReportData
from gradflow.text import has, text

MAX_BARS = 40  # layers whose names have room under their bars


class Verdict(NamedTuple):
    """What stands on the first screen.

    Attributes
    ----------
    severity, tag : str
        Of the finding: "problem", "notice" or "healthy", and its word.
    headline : str
    evidence : list of str
        The finding's sentence, and its cause.
    first, then : str
        What to change.
    follows : list of str
        Short names of what else was found and follows from it.
    fine, unchecked : list of str
        What was checked, and what could not be.
    needs : list of str
        What to record for what could not be checked.
    """

    severity: str
    tag: str
    headline: str
    evidence: list[str]
    first: str
    then: str
    follows: list[str]
    fine: list[str]
    unchecked: list[str]
    needs: list[str]


def verdict(data: ReportData) -> Verdict | None:
    """Return what is said first of one's own runs; None where the page has a question of its own to answer."""
    if not leads(data):
        return None
    spoken = [one for one in data.findings if one.severity in ("problem", "notice") and name_of(one)]
    found = next((one for one in spoken if not one.follows), None)
    asked = checks(data.runs, data.findings)
    fine, unchecked = (
        list(dict.fromkeys(text(f"check.{one.name}") for one in asked if one.status == status))
        for status in ("fine", "unchecked")
    )
    open_ones = [one for one in asked if one.status == "unchecked"]
    needs = list(dict.fromkeys(text(f"need.{one.need}", check=text(f"check.{one.name}")) for one in open_ones))
    if found is None:
        healthy = [str(one) for one in data.findings if one.severity == "healthy"]
        return Verdict("healthy", "", text("verdict.none"), healthy[:1], "", "", [], fine, unchecked, needs)
    first, *others = [text(remedy) for remedy in found.remedies] or [""]
    names = [name_of(one) for one in spoken if one.subject == found.subject and one.follows]
    return Verdict(
        found.severity,
        text(f"severity.{found.severity}"),
        name_of(found),
        [found.said, *([text(found.cause)] if found.cause else [])],
        first,
        text("list.sentences").join(others),
        list(dict.fromkeys(names)),
        fine,
        unchecked,
        needs,
    )


def leads(data: ReportData) -> bool:
    """Whether a verdict leads: of one's own runs that recorded anything, and not of a comparison or preset."""
    has_rows = any(len(run.steps) or len(run.layers) for run in data.runs)
    return has_rows and not data.is_comparison and not answer(data)


def name_of(finding: Finding) -> str:
    """Return the short name of what a finding says, empty where it needs none."""
    return text(f"verdict.of.{finding.key}") if has(f"verdict.of.{finding.key}") else ""


def bars(data: ReportData) -> Picture | None:
    """Return the gradient of each layer by name, of few enough layers, where a verdict leads."""
    frame = gradient_flow(data.with_layers) if data.with_layers and leads(data) else None
    if frame is None or frame.empty or frame.groupby("run")["layer"].nunique().max() > MAX_BARS:
        return None
    make = partial(plots.gradient_flow_figure, frame)
    said = text("verdict.flow_alt")
    return draw("gradient-flow", make, data.folder, alt=said, caption=said, live=live(described(frame), 320))
