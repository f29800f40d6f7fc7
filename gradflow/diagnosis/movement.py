"""How far updates move the weights: the size of an update over that of the weight, step by step."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from gradflow.recording import Recording

EARLY_STEPS = 10  # the first updates, in which a rate that is too high shows


class Movement(NamedTuple):
    """Sizes of updates relative to the weights, of the matrix in the middle when they are sorted.

    `first` and `largest` are those of the first recorded update and the largest. `early` is the median over the updates
    1 to 9; that of update 0 alone where no other was recorded. The first update of a head of zeros is infinitely large,
    and means nothing. `path` is the sum over all updates, those between recorded ones interpolated: how many times its
    own length a weight has travelled, there and back. `steps` is of how many updates it was recorded.
    """

    first: float
    early: float
    largest: float
    path: float
    steps: int


def movement(recording: Recording) -> Movement | None:
    """Return how far updates move the weights; None where updates or weights were not recorded."""
    rows = matrices(recording)
    rows = rows[rows["update_norm"].notna() & rows["weight_norm"].notna()]
    if rows.empty:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = (rows["update_norm"] / rows["weight_norm"]).groupby(rows["step"]).median()
    steps = ratios.index.to_numpy()
    early = ratios[(steps >= 1) & (steps < EARLY_STEPS)]
    last = int(recording.steps["step"].max()) if len(recording.steps) else int(steps[-1])
    path = float(np.interp(np.arange(steps[0], last + 1), steps, ratios.fillna(math.inf)).sum())
    return Movement(
        float(ratios.iloc[0]), float((early if len(early) else ratios).median()), float(ratios.max()), path, len(ratios)
    )


def matrices(recording: Recording) -> pd.DataFrame:
    """Return the rows of trained weights, which are no vectors such as biases and scales: who they are and how long."""
    rows = recording.parameters
    is_trained = (rows["dim"] >= 2) & (rows["part"] == "") & (rows["status"] != "frozen")
    return rows.loc[is_trained, ["step", "layer", "parameter", "weight_norm", "update_norm"]]
