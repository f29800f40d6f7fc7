"""The section on training curves: errors, or losses where no run recorded an error."""

from __future__ import annotations

from functools import partial

import pandas as pd

from gradflow import plots
from gradflow.figures.training import WINDOW
from gradflow.reporting.drawing import Make
from gradflow.reporting.live.training import training as live_training
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Drawing, Section
from gradflow.text import text

ERRORS = ["batch_error", "train_error"]


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


def _paper(data: ReportData, curves: pd.DataFrame) -> Make:
    if _has_errors(curves):
        return partial(plots.training_curves, curves, data.windows)
    return partial(plots.loss_curves, data.losses)


def _alt(data: ReportData, curves: pd.DataFrame) -> str:
    key = "training.alt" if _has_errors(curves) else "training.alt_loss"
    return text(key, finding=data.finding_for("training")).strip()


TRAINING = Section(
    "training",
    30,
    _curves,
    words=(_lead,),
    parts=(Drawing("training", _paper, lambda _, curves: live_training(curves), _alt),),
    files=lambda data: {"training": data.training} if data.runs else {},
)
