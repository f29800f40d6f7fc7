"""How often gradient clipping binds: the total gradient norm before and after it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from gradflow.analysis.intervals import wilson
from gradflow.analysis.runs import as_list, stacked
from gradflow.recording import Recording

BEFORE, AFTER = "unclipped_grad_norm", "total_grad_norm"
ROUNDING = 1e-5  # relative; clipping multiplies every entry in its own precision


class Binding(NamedTuple):
    """How often clipping binds in one run: the columns of `clipping`."""

    n: int
    n_bound: int
    share: float
    low: float
    high: float
    kept: float
    step: int


def clipping(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return how often clipping made the gradient smaller, and by how much.

    Needs a recorder that was given the optimizer and whose `step` was called before clipping.

    Returns
    -------
    DataFrame
        One row per run with both norms: run, family, depth, seed, n (steps where both were recorded), n_bound (steps
        where the norm after is the smaller), share, low, high (n_bound / n with its 95 % Wilson interval), kept
        (median of after / before over the steps where it bound, NaN if none), step (the last step where it bound,
        -1 if none).

    Examples
    --------
    >>> steps = pd.DataFrame({"step": [0, 1], "unclipped_grad_norm": [4.0, 0.5], "total_grad_norm": [1.0, 0.5]})
    >>> clipping(Recording(steps=steps, meta={"run": "mine"}))[["run", "n", "n_bound", "share", "kept"]]
        run  n  n_bound  share  kept
    0  mine  2        1    0.5  0.25
    """
    rows = [(recording, row) for recording in as_list(recordings) if (row := binding(recording)) is not None]
    return stacked([recording for recording, _ in rows], [pd.DataFrame([row]) for _, row in rows])


def binding(recording: Recording) -> Binding | None:
    """Return how often clipping made one run's gradient smaller; None if no step has both norms."""
    if not {BEFORE, AFTER} <= set(recording.steps):
        return None
    step, before, after = (recording.steps[name].to_numpy() for name in ("step", BEFORE, AFTER))
    both = ~(np.isnan(before) | np.isnan(after))
    if not both.any():
        return None
    bound = both & (after < before * (1 - ROUNDING))
    share = wilson(int(bound.sum()), int(both.sum()))
    with np.errstate(invalid="ignore"):  # of an infinite norm
        kept = after[bound] / before[bound]
    kept = kept[~np.isnan(kept)]
    return Binding(
        share.n,
        share.hits,
        share.hits / share.n,
        share.low,
        share.high,
        float(np.median(kept)) if len(kept) else math.nan,
        int(step[bound].max(initial=-1)),
    )
