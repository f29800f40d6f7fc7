"""The section on the growth of weights, and what it leaves of the learning rate."""

from __future__ import annotations

from functools import partial

import pandas as pd

from gradflow.figures.weights_figure import weights
from gradflow.reporting.live.row_limits import even_steps
from gradflow.reporting.live.screen import live
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Drawing, Section
from gradflow.text import text

MAX_STEPS = 150  # on a screen


def _thin(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of few enough steps for a screen."""
    return frame[frame["step"].isin(even_steps(frame["step"].unique().tolist(), MAX_STEPS))]


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
            lambda _, growth: partial(weights, growth),
            "weights.alt",
            lambda _, growth: live(weights({measure: _thin(frame) for measure, frame in growth.items()})),
        ),
    ),
    files=lambda data: {"weight_growth": data.growth} if data.with_layers else {},
    is_detail=True,
)
