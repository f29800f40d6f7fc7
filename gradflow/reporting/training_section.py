"""The section on training curves: errors, or losses where no run recorded an error."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from gradflow.figures.model import Figure
from gradflow.figures.training_figure import WINDOW, errors, losses, training
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.row_limits import MAX_DOTS
from gradflow.reporting.live.screen import live
from gradflow.reporting.report_data import MIN_STEPS, ReportData
from gradflow.reporting.section import Drawing, Section
from gradflow.text import text

ERRORS = ["batch_error", "train_error"]
MAX_WINDOWS = 150  # of a run, on a screen; windows grow where it has more steps


def _curves(data: ReportData) -> pd.DataFrame | None:
    """Return the curves, None where there is none that is longer than a step."""
    is_curve = bool(data.runs) and data.training["step"].nunique() > 1
    return data.training if is_curve and data.training[[*ERRORS, "loss"]].notna().any(axis=None) else None


def _has_errors(curves: pd.DataFrame) -> bool:
    return bool(curves[ERRORS].notna().any(axis=None))


def _lead(data: ReportData, curves: pd.DataFrame) -> str:
    if _has_errors(curves):
        return text("training.lead", window=WINDOW)
    window = int(data.losses["window"].iloc[0])
    return text("training.lead_loss_windows", window=window) if window > 1 else text("training.lead_loss")


def _figure(data: ReportData, curves: pd.DataFrame) -> Callable[[], Figure]:
    if _has_errors(curves):
        return partial(errors, curves, data.windows, by_depth=True)
    return partial(losses, data.losses, by_depth=True)


def on_screen(curves: pd.DataFrame) -> Live | None:
    """Return errors and losses, None if neither was recorded at two steps."""
    if curves["step"].nunique() < 2:
        return None
    n_steps = int(curves["step"].max() + 1)
    window = max(WINDOW, -(-n_steps // MAX_WINDOWS))
    figure = training(curves, window=window, loss_window=1 if n_steps < MIN_STEPS else window)
    if figure is None:
        return None
    longest = figure.rows.groupby(["measure", "run"]).size().max()
    return live(figure, 320, has_dots=bool(longest <= MAX_DOTS))


def _alt(data: ReportData, curves: pd.DataFrame) -> str:
    key = "training.alt" if _has_errors(curves) else "training.alt_loss"
    return text(key, finding=data.finding_for("training")).strip()


TRAINING = Section(
    "training",
    30,
    _curves,
    words=(_lead,),
    parts=(Drawing("training", _figure, _alt, lambda _, curves: on_screen(curves)),),
    files=lambda data: {"training": data.training} if data.runs else {},
)
