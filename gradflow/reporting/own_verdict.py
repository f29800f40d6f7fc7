"""The first screen of one's own runs: what is wrong, on what evidence, what to change first, what was checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pandas as pd

from gradflow.analysis.gradient_flow import gradient_flow
from gradflow.analysis.profile import profile, profile_over_seeds
from gradflow.analysis.times import gradient_over_time_over_seeds
from gradflow.analysis.updates import updates_over_seeds
from gradflow.diagnosis import Finding
from gradflow.diagnosis.verdict import Verdict, gravest
from gradflow.diagnosis.verdict import verdict as of_findings
from gradflow.figures.gradient_flow_figure import gradient_flow as flow
from gradflow.figures.model import Figure
from gradflow.figures.profile_figure import measure_name
from gradflow.figures.profile_figure import profile as profile_figure
from gradflow.figures.times_figure import times
from gradflow.figures.training_figure import losses
from gradflow.figures.updates_figure import updates
from gradflow.plots.paper import page
from gradflow.reporting.live.screen import live
from gradflow.reporting.page_figures import Picture, draw, draw_both
from gradflow.reporting.published_section import answer
from gradflow.reporting.report_data import ReportData
from gradflow.text import text
from gradflow.text.words import sentence_case

MAX_BARS = 40  # layers whose names have room under their bars


def verdict(data: ReportData) -> Verdict | None:
    """Return what is said first of one's own runs; None where the page has a question of its own to answer."""
    return of_findings(data.findings, data.findings.checks) if leads(data) else None


def leads(data: ReportData) -> bool:
    """Whether a verdict leads: of one's own runs that recorded anything, and not of a comparison or preset."""
    has_rows = any(len(run.steps) or len(run.layers) for run in data.runs)
    return has_rows and not data.is_comparison and not answer(data)


def evidence(data: ReportData) -> Picture | None:
    """Return what the first sentence is about, drawn small, where a verdict leads; None where there is none."""
    if not leads(data):
        return None
    found = gravest(data.findings) or next((one for one in data.findings if one.severity == "healthy"), None)
    if found is not None and found.figure == "times":
        return _over_time(data, found)
    if found is not None and found.figure == "training" and data.losses["mean"].notna().any():
        return _loss(data)
    if found is not None and found.figure == "updates" and len(data.updates):
        return _updates(data)
    return bars(data, found)


def bars(data: ReportData, found: Finding | None) -> Picture | None:
    """Return the gradient that a finding is about, at its step: bars by name, of too many layers a line by depth."""
    values = found.values if found is not None else {}
    measure, at = str(values.get("measure", "grad_norm")), values.get("step")
    step = at if "measure" in values and isinstance(at, int) else None
    runs = [run for run in data.with_layers if found is None or run.name in found.subject.runs]
    frame = gradient_flow(runs, measure=measure, step=step) if runs else pd.DataFrame()
    if frame.empty:
        return None
    name = sentence_case(measure_name(measure))
    said = text("verdict.flow", measure=name) if step is None else text("verdict.flow_at", measure=name, step=step)
    said = name if data.is_analysis else said
    if frame.groupby("run")["layer"].nunique().max() > MAX_BARS:
        means = profile_over_seeds(profile(runs, steps=None if step is None else [step]), measure)
        return _small("gradient-profile", partial(profile_figure, means, measure), data, said)
    return draw_both("gradient-flow", partial(flow, frame, measure), data.folder, alt=said, caption=said, height=320)


def _over_time(data: ReportData, found: Finding) -> Picture:
    """Return the gradient at each position of a sequence, at the step that a finding is about."""
    rows = data.times[(data.times["step"] == found.values["step"]) & data.times["run"].isin(found.subject.runs)]
    frame, said = gradient_over_time_over_seeds(rows), text("verdict.time_at", step=found.values["step"])
    return _small("gradient-over-time", partial(times, frame), data, said)


def _updates(data: ReportData) -> Picture:
    """Return the size of updates beside the weights."""
    frame, said = updates_over_seeds(data.updates), text("updates.alt", finding="").strip()
    return _small("update-ratios", partial(updates, frame), data, said)


def _loss(data: ReportData) -> Picture:
    """Return the loss along training."""
    said = text("verdict.loss")
    return _small("loss", partial(losses, data.losses, by_depth=False), data, said)


def _small(name: str, described: Callable[[], Figure], data: ReportData, said: str) -> Picture:
    """Return a figure under a name of its own: a section may show the same at more steps."""
    shown = live(replace(described(), name=name), 320)
    return draw(name, partial(page, described), data.folder, alt=said, caption=said, live=shown)
