"""The section with every recorded step and layer as heat maps."""

from __future__ import annotations

from functools import partial

import pandas as pd

from gradflow import plots
from gradflow.reporting.live.linked_heatmap import heatmap
from gradflow.reporting.page_figures import Picture, draw
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Section
from gradflow.text import text

MEASURE = "out_grad_norm"


def _frame(data: ReportData) -> pd.DataFrame | None:
    return data.heatmap if any(run.layers["step"].nunique() > 1 for run in data.with_layers) else None


def _figure(data: ReportData, frame: pd.DataFrame) -> Picture:
    """Return the one figure that is drawn by hand: its maps are linked on a screen."""
    diverged = data.errors.loc[data.errors["diverged"], "run"]
    make = partial(plots.heatmaps, frame, measure=MEASURE, diverged=diverged, shares_scale=False)
    alt = text("heatmaps.alt", finding=data.finding_for("heatmaps")).strip()
    return draw("heatmaps", make, data.folder, alt=alt, live=heatmap(frame))


HEATMAPS = Section(
    "heatmaps",
    110,
    _frame,
    words=("heatmaps.lead",),
    parts=(_figure,),
    is_detail=True,
)
