"""The section with every recorded step and layer as heat maps."""

from __future__ import annotations

from functools import partial

import pandas as pd

from gradflow import plots
from gradflow.reporting.drawing import Make
from gradflow.reporting.live.heatmap import heatmap as live_heatmap
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Drawing, Section

MEASURE = "out_grad_norm"


def _frame(data: ReportData) -> pd.DataFrame | None:
    return data.heatmap if any(run.layers["step"].nunique() > 1 for run in data.with_layers) else None


def _paper(data: ReportData, frame: pd.DataFrame) -> Make:
    diverged = data.errors.loc[data.errors["diverged"], "run"]
    return partial(plots.heatmaps, frame, measure=MEASURE, diverged=diverged, shares_scale=False)


HEATMAPS = Section(
    "heatmaps",
    110,
    _frame,
    words=("heatmaps.lead",),
    parts=(Drawing("heatmaps", _paper, lambda _, frame: live_heatmap(frame), "heatmaps.alt"),),
    is_detail=True,
)
