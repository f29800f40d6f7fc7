"""How far updates move the weights: the size of an update over that of the weight, step by step."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from gradflow.analysis.intervals import Floats, Ints
from gradflow.analysis.numbered_rows import blocks
from gradflow.analysis.remembered import remembered
from gradflow.recording import Recording

EARLY_STEPS = 10  # the first updates, in which a rate that is too high shows
FIRST_STEPS = 5  # without each of which gradients that are not cleared cannot be told from a rate that is too high


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


@remembered
def movement(recording: Recording) -> Movement | None:
    """Return how far updates move the weights; None where updates or weights were not recorded."""
    rows = recording.parameters
    update, weight = rows["update_norm"].to_numpy(), rows["weight_norm"].to_numpy()
    known = matrices(recording) & ~np.isnan(update) & ~np.isnan(weight)
    if not known.any():
        return None
    step = rows["step"].to_numpy()
    owns = [np.flatnonzero(known[block]) + block.start for block in blocks(step)]
    with np.errstate(divide="ignore", invalid="ignore"):
        pieces = [_medians(step[own], update[own] / weight[own]) for own in owns if len(own)]
    steps, ratios = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    early = ratios[(steps >= 1) & (steps < EARLY_STEPS)]
    last = int(recording.steps["step"].max()) if len(recording.steps) else int(steps[-1])
    path = np.interp(np.arange(steps[0], last + 1), steps, np.where(np.isnan(ratios), math.inf, ratios)).sum()
    early = early if len(early) else ratios
    return Movement(float(ratios[0]), median(early), float(np.fmax.reduce(ratios)), float(path), len(ratios))


def has_first_steps(recording: Recording) -> bool:
    """Whether each of the first five steps was recorded."""
    return set(range(FIRST_STEPS)) <= set(recording.layers["step"].unique())


@remembered
def matrices(recording: Recording) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which rows of parameters are of trained weights that are no vectors, as biases and scales are.

    Each part of a fused one is a matrix: a recurrent layer's gates, the query, key and value of attention.
    """
    rows = recording.parameters
    return ((rows["dim"] >= 2) & (rows["status"] != "frozen")).to_numpy(dtype=bool)


def _medians(step: Ints, values: Floats) -> tuple[Ints, Floats]:
    """Return the steps and the median of each one's values; NaN is left out."""
    steps, starts = np.unique(step, return_index=True)
    n_each, rest = divmod(len(step), len(steps))
    medians: Floats
    if rest or np.isnan(values).any() or not np.array_equal(starts, np.arange(0, len(step), n_each)):
        medians = np.asarray(pd.Series(values).groupby(step).median(), dtype=np.float64)
    else:
        medians = np.median(values.reshape(len(steps), n_each), axis=1)
    return steps, medians


def median(values: Floats) -> float:
    """Return the median of the values that are numbers, NaN if none is."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else math.nan
