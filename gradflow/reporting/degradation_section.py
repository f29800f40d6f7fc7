"""The section on errors after training against depth, of a comparison."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd

from gradflow.analysis.degradation import ERRORS
from gradflow.analysis.published import published
from gradflow.figures.degradation_figure import degradation
from gradflow.figures.model import Figure
from gradflow.figures.paired_figure import NO_PAIRS
from gradflow.notes import DEPTH_STEP
from gradflow.reporting import published_section
from gradflow.reporting.errors_section import TABLES, has_errors
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.screen import live
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Drawing, Section
from gradflow.text import text


def _figure(data: ReportData, _: Any) -> Callable[[], Figure]:
    frames = (data.errors, data.errors_over_seeds, data.differences)
    asked = published_section.asked_error(data)
    return partial(degradation, *frames, measure=asked, published=published(data.runs))


def _screen(data: ReportData, _: Any) -> Live | None:
    asked = published_section.asked_error(data)
    known = published(data.runs)
    return on_screen(data.errors, data.errors_over_seeds, known, data.differences, first=asked)


def on_screen(
    errors: pd.DataFrame,
    over_seeds: pd.DataFrame,
    published: pd.DataFrame | None = None,
    differences: pd.DataFrame = NO_PAIRS,
    *,
    first: str = "train_error",
) -> Live | None:
    """Return `gradflow.figures.degradation_figure` of every error that was measured, or None if none was.

    Of `published` what is much deeper than the deepest network measured is left out; the error `first` is shown until a
    reader chooses another.
    """
    ranked = sorted(ERRORS, key=lambda error: error != first)
    measures = [error for error in ranked if over_seeds[error].notna().any()]
    if not measures:
        return None
    notes = []
    if published is not None:
        is_near = published["depth"] < over_seeds["depth"].max() + DEPTH_STEP
        notes = [] if is_near.all() else [text("live.note.deeper")]
        published = published[is_near]
    return live(degradation(errors, over_seeds, differences, measure=measures, published=published), 320, notes=notes)


def _alt(data: ReportData, _: Any) -> str:
    if published_section.asked_error(data) == published_section.TEST:
        found = published_section.answer(data)
        return text("degradation.alt_test", finding=found.detail if found else "")
    return text("degradation.alt", finding=data.finding_for("degradation")).strip()


def _caveat(data: ReportData, _: Any) -> str:
    """Return that all networks had the same budget, where they had."""
    budgets = {str(run.meta.get("steps")) for run in data.runs} - {"None"}
    return text("degradation.caveat", steps=budgets.pop()) if len(budgets) == 1 else ""


def _files(data: ReportData) -> dict[str, pd.DataFrame]:
    if not data.runs:
        return {}
    return {
        "summary": data.summary,
        "degradation": data.errors,
        "degradation_over_seeds": data.errors_over_seeds,
        "paired_difference": data.differences,
    }


DEGRADATION = Section(
    "degradation",
    10,
    lambda data: data.is_comparison and has_errors(data),
    words=("degradation.lead", _caveat),
    parts=(Drawing("degradation", _figure, _alt, _screen), *TABLES),
    files=_files,
)
