"""The section on the gradient along depth at a few steps, with one figure for each kind of gradient."""

from __future__ import annotations

from functools import partial

import pandas as pd

from gradflow import plots
from gradflow.analysis.profile import profile_over_seeds
from gradflow.plots import style
from gradflow.reporting.blocks import Block
from gradflow.reporting.figures import draw
from gradflow.reporting.live.flow import flow
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Section
from gradflow.text import text

MEASURES = ("out_grad_norm", "grad_norm")


def _measures(data: ReportData) -> list[str] | None:
    """Return the gradients that some layer has."""
    return [one for one in MEASURES if data.with_layers and (data.profile[one] > 0).any()] or None


def _lead(data: ReportData, _: list[str]) -> str:
    steps = text("list.enumeration").join(str(step) for step in sorted(data.profile["step"].unique()))
    return text("profile.lead_batch") if data.is_analysis else text("profile.lead", steps=steps)


def _figures(data: ReportData, measures: list[str]) -> list[Block]:
    """Return a figure for each gradient; on a screen the first one shows all."""
    live = flow(data.heatmap)
    moment = style.words("when.batch") if data.is_analysis else None
    return [
        draw(
            f"profile-{measure.replace('_', '-')}",
            partial(plots.profiles, profile_over_seeds(data.profile, measure), measure=measure, moment=moment),
            data.folder,
            alt=text(f"profile.alt.{measure}", finding=data.finding_for("profile")).strip(),
            caption=text(f"profile.caption.{measure}"),
            live=live if measure == measures[0] else None,
            is_covered=measure != measures[0] and live is not None,
        )
        for measure in measures
    ]


def _files(data: ReportData) -> dict[str, pd.DataFrame]:
    if not data.with_layers:
        return {}
    over_seeds = {f"profile_over_seeds_{one}": profile_over_seeds(data.profile, one) for one in reversed(MEASURES)}
    return {"profile": data.profile, **over_seeds}


PROFILE = Section("profile", 40, _measures, words=(_lead,), parts=(_figures,), files=_files)
