"""The section on how gradients, weights and outputs are distributed, of runs that recorded it."""

from __future__ import annotations

from functools import partial

import pandas as pd

from gradflow.figures.distributions_figure import distributions as described
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.screen import live
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Drawing, Section

ROW, FRAME = 22, 90  # pixels of a layer, and of what is around them


def _screen(_: ReportData, frame: pd.DataFrame) -> Live | None:
    figure = described(frame, every=True)
    return live(figure, ROW * max(len(axis.ticks) for axis in figure.facets[-1].y.values()) + FRAME, has_dots=False)


DISTRIBUTIONS = Section(
    "distributions",
    75,
    lambda data: data.distributions,
    words=("distributions.lead",),
    parts=(Drawing("distributions", lambda _, frame: partial(described, frame), "distributions.alt", _screen),),
    files=lambda data: {"distributions": data.distributions} if len(data.distributions) else {},
    is_detail=True,
)
