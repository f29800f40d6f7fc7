"""The section on the size of updates beside the weights."""

from __future__ import annotations

from functools import partial

import pandas as pd

from gradflow.analysis.updates import updates_over_seeds
from gradflow.figures.updates_figure import updates as described
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.row_limits import MAX_DOTS, even_steps
from gradflow.reporting.live.screen import live
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Drawing, Section

MAX_STEPS = 150  # of a line on a screen


def _frame(data: ReportData) -> pd.DataFrame | None:
    """Return the ratios over seeds, None where no update was recorded at two steps."""
    is_course = bool(data.with_layers) and data.updates["step"].nunique() > 1
    return updates_over_seeds(data.updates) if is_course else None


def _screen(_: ReportData, frame: pd.DataFrame) -> Live | None:
    steps = even_steps(frame["step"].unique().tolist(), MAX_STEPS)
    figure = described(frame[frame["step"].isin(steps)], every=True)
    return live(figure, 320, has_dots=len(steps) <= MAX_DOTS)


UPDATES = Section(
    "updates",
    115,
    _frame,
    words=("updates.lead",),
    parts=(Drawing("updates", lambda _, frame: partial(described, frame), "updates.alt", _screen),),
    files=lambda data: {"updates": data.updates} if data.with_layers else {},
)
