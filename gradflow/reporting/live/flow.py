"""The gradient's norm against depth, at a step, for a family, a seed or the mean, of either gradient."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gradflow.analysis.nonfinite import arrived_nonfinite
from gradflow.analysis.profile import profile_over_seeds
from gradflow.figures.columns import counted
from gradflow.figures.profile import profile
from gradflow.reporting.live import seeds
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.screen import live
from gradflow.reporting.live.thinning import MAX_DOTS, even_layers, steps_within
from gradflow.text import text

MEASURES = ("out_grad_norm", "grad_norm")
MAX_ROWS = 60_000
MAX_LAYERS = 250  # drawn of one run; more than a screen has pixels for


def flow(frame: pd.DataFrame) -> Live | None:
    """Return the figure, or None if no gradient was recorded.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.profile`, at all recorded steps.
    """
    found = [measure for measure in MEASURES if (frame[measure] > 0).any()]
    if not found:
        return None
    thin = even_layers(frame, MAX_LAYERS)
    recorded = sorted(int(step) for step in thin["step"].unique())
    n_layers = thin.drop_duplicates(["run", "layer"]).shape[0]
    steps = steps_within(recorded, 2 * len(found) * n_layers, MAX_ROWS)
    thin = thin[thin["step"].isin(steps)]
    figure = profile({measure: _rows(thin, measure) for measure in found})
    notes = [text("live.fitted")] if len(steps) > 1 else []
    if len(steps) < len(recorded):
        notes.append(text("live.thinned.steps", n=len(steps), of=len(recorded)))
    if len(thin) < len(frame[frame["step"].isin(steps)]):
        notes.append(text("live.thinned.layers", n=MAX_LAYERS))
    return live(figure, 340, notes=notes, has_dots=thin["layer_depth"].max() <= MAX_DOTS)


def _rows(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return the mean's and the seeds' rows of one measure, with the numbers of zeros and non-finite values."""
    means = profile_over_seeds(frame, measure)
    values = frame[measure].mask(arrived_nonfinite(frame, measure), np.inf)
    rows = seeds.with_seeds(means, counted(frame.assign(value=values), values), "value")
    layers = frame.drop_duplicates(["family", "depth", "layer_depth"])
    keys = ["family", "depth", "layer_depth"]
    named = rows.merge(layers[[*keys, "layer"]], on=keys, how="left")
    return named.sort_values(["seed", "step", "family", "depth", "layer_depth"], kind="stable")
