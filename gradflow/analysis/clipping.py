"""How often gradient clipping binds: the total gradient norm before and after it."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from gradflow.analysis.intervals import wilson
from gradflow.analysis.runs import as_list, stacked
from gradflow.recording import Recording

BEFORE, AFTER = "unclipped_grad_norm", "total_grad_norm"
ROUNDING = 1e-5  # relative; clipping multiplies every entry in its own precision


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
    found = [recording for recording in as_list(recordings) if {BEFORE, AFTER} <= set(recording.steps)]
    tables = [_of_one(recording.steps) for recording in found]
    kept = [number for number, table in enumerate(tables) if len(table)]
    return stacked([found[number] for number in kept], [tables[number] for number in kept])


def _of_one(steps: pd.DataFrame) -> pd.DataFrame:
    """Return one row, or none if no step has both norms."""
    both = steps[["step", BEFORE, AFTER]].dropna()
    if both.empty:
        return both
    is_bound = both[AFTER] < both[BEFORE] * (1 - ROUNDING)
    bound = both[is_bound]
    share = wilson(len(bound), len(both))
    row = {
        "n": share.n,
        "n_bound": share.hits,
        "share": share.hits / share.n,
        "low": share.low,
        "high": share.high,
        "kept": (bound[AFTER] / bound[BEFORE]).median(),
        "step": bound["step"].max() if len(bound) else -1,
    }
    return pd.DataFrame([row])
