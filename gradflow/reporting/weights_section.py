"""The section on the growth of weights, and what it leaves of the learning rate."""

from __future__ import annotations

from functools import partial

import pandas as pd

from gradflow import plots
from gradflow.reporting.live.weights import weights as live_weights
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Drawing, Section
from gradflow.text import text


def _growth(data: ReportData) -> dict[str, pd.DataFrame] | None:
    has_growth = data.with_layers and (data.growth["first_growth"] > 0).any() and data.growth["step"].nunique() > 1
    return data.growth_over_seeds if has_growth else None


WEIGHTS = Section(
    "weights",
    120,
    _growth,
    words=("weights.lead", lambda data, _: text("weights.batch_norm") if data.has_batch_norm else ""),
    parts=(
        Drawing(
            "weights",
            lambda _, growth: partial(plots.weight_figure, growth),
            lambda _, growth: live_weights(growth),
            "weights.alt",
        ),
    ),
    files=lambda data: {"weight_growth": data.growth} if data.with_layers else {},
    is_detail=True,
)
