"""The section on the gradient along depth at a few steps, with one figure for each kind of gradient."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from gradflow.analysis.nonfinite import arrived_nonfinite
from gradflow.analysis.profile import profile_over_seeds
from gradflow.figures.columns import counted
from gradflow.figures.profile_figure import profile
from gradflow.plots import style
from gradflow.plots.paper import page
from gradflow.reporting.live import seed_rows
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.row_limits import MAX_DOTS, even_layers, steps_within
from gradflow.reporting.live.screen import live
from gradflow.reporting.page_blocks import Block
from gradflow.reporting.page_figures import draw
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Section
from gradflow.text import text

MEASURES = ("out_grad_norm", "grad_norm")
MAX_SHOWN = 60_000  # rows on a screen
MAX_LAYERS = 250  # drawn of one run there; more than a screen has pixels for


def flow(frame: pd.DataFrame) -> Live | None:
    """Return the figure of `profile` at all recorded steps for a screen, both gradients with their seeds, or None."""
    found = [measure for measure in MEASURES if (frame[measure] > 0).any()]
    if not found:
        return None
    thin = even_layers(frame, MAX_LAYERS)
    recorded = sorted(int(step) for step in thin["step"].unique())
    n_layers = thin.drop_duplicates(["run", "layer"]).shape[0]
    steps = steps_within(recorded, 2 * len(found) * n_layers, MAX_SHOWN)
    thin = thin[thin["step"].isin(steps)]
    figure = profile({measure: _with_seeds(thin, measure) for measure in found})
    notes = [text("live.fitted")] if len(steps) > 1 else []
    if len(steps) < len(recorded):
        notes.append(text("live.thinned.steps", n=len(steps), of=len(recorded)))
    if len(thin) < len(frame[frame["step"].isin(steps)]):
        notes.append(text("live.thinned.layers", n=MAX_LAYERS))
    return live(figure, 340, notes=notes, has_dots=thin["layer_depth"].max() <= MAX_DOTS)


def _with_seeds(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return the mean's and the seeds' rows of one measure, with the numbers of zeros and non-finite values."""
    means = profile_over_seeds(frame, measure)
    values = frame[measure].mask(arrived_nonfinite(frame, measure), np.inf)
    rows = seed_rows.with_seeds(means, counted(frame.assign(value=values), values), "value")
    layers = frame.drop_duplicates(["family", "depth", "layer_depth"])
    keys = ["family", "depth", "layer_depth"]
    named = rows.merge(layers[[*keys, "layer"]], on=keys, how="left")
    return named.sort_values(["seed", "step", "family", "depth", "layer_depth"], kind="stable")


def _measures(data: ReportData) -> list[str] | None:
    """Return the gradients that some layer has."""
    return [one for one in MEASURES if data.with_layers and (data.profile[one] > 0).any()] or None


def _lead(data: ReportData, _: list[str]) -> str:
    steps = text("list.enumeration").join(str(step) for step in sorted(data.profile["step"].unique()))
    return text("profile.lead_batch") if data.is_analysis else text("profile.lead", steps=steps)


def _figures(data: ReportData, measures: list[str]) -> list[Block]:
    """Return a figure for each gradient; on a screen the first one shows all."""
    shown = flow(data.heatmap)
    moment = style.words("when.batch") if data.is_analysis else None
    return [
        draw(
            f"profile-{measure.replace('_', '-')}",
            partial(page, partial(profile, data.profile_over_seeds[measure], measure, moment=moment)),
            data.folder,
            alt=text(f"profile.alt.{measure}", finding=data.finding_for("profile")).strip(),
            caption=text(f"profile.caption.{measure}"),
            live=shown if measure == measures[0] else None,
            is_covered=measure != measures[0] and shown is not None,
        )
        for measure in measures
    ]


def _files(data: ReportData) -> dict[str, pd.DataFrame]:
    if not data.with_layers:
        return {}
    over_seeds = {f"profile_over_seeds_{one}": data.profile_over_seeds[one] for one in reversed(MEASURES)}
    return {"profile": data.profile, **over_seeds}


PROFILE = Section("profile", 40, _measures, words=(_lead,), parts=(_figures,), files=_files)
