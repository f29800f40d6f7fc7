"""How training went: loss and errors against the step."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from gradflow.analysis.intervals import SHARE
from gradflow.analysis.runs import IDENTITY, NETWORK, as_list, check_seeds, constant_error, over_seeds, stacked
from gradflow.recording import STEP_COLUMNS, Recording


def training(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return the step tables of all runs, as they were measured.

    Returns
    -------
    DataFrame
        One row per (run, step): run, family, depth, seed, step, loss, batch_error, train_error, test_error,
        lr, total_grad_norm, constant_error (of the run: the training error of always answering the most frequent
        class, where its meta has it). Errors are fractions; NaN where they were not measured.

    Examples
    --------
    >>> steps = pd.DataFrame({"step": [0, 1], "loss": [2.3, 2.1]})
    >>> training(Recording(steps=steps, meta={"run": "mine"}))[["run", "step", "loss"]]
        run  step  loss
    0  mine     0   2.3
    1  mine     1   2.1
    """
    found = as_list(recordings)
    return stacked(found, [one.steps[list(STEP_COLUMNS)].assign(constant_error=constant_error(one)) for one in found])


def errors_over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the errors of `training` measured along it, over seeds.

    Returns
    -------
    DataFrame
        One row per (measure, family, depth, step) at which the error was measured: measure ("train_error" or
        "test_error"), mean, low, high (fractions; Student's 95 % interval, cut at 0 and 1, NaN for one seed), n.

    Raises
    ------
    ValueError
        Two runs share family, depth and seed.
    """
    check_seeds(frame)
    by = (*NETWORK, "step")
    parts = [
        over_seeds(frame[frame[measure].notna()], by, measure, within=SHARE).assign(measure=measure)
        for measure in ("train_error", "test_error")
    ]
    return pd.concat(parts, ignore_index=True)


def window_means(frame: pd.DataFrame, *, window: int, measure: str = "batch_error") -> pd.DataFrame:
    """Return means over windows of consecutive steps that do not overlap.

    A minibatch's error jumps from step to step; this is the only smoothing there is, and `window` says how
    much.

    Parameters
    ----------
    frame : DataFrame
        From `training`.
    window : int
        Steps per window, at least 1. Windows start at step 0, window, 2 window, ...; the last may be shorter.
    measure : str
        A column of `training`. Steps at which it was not measured do not count; a window without any has no
        row.

    Returns
    -------
    DataFrame
        One row per (run, window): run, family, depth, seed, step (mean of the steps that count), mean, n
        (steps that count), window.

    Raises
    ------
    ValueError
        The window is shorter than one step.
    """
    if isinstance(window, bool) or not isinstance(window, int) or window < 1:
        raise ValueError(f"window must be a whole number of steps, at least 1; got {window!r}.")
    measured = frame[frame[measure].notna()]
    grouped = measured.assign(_window=measured.step // window).groupby([*IDENTITY, "_window"], dropna=False, sort=False)
    means = grouped.agg(step=("step", "mean"), mean=(measure, "mean"), n=(measure, "size")).reset_index()
    return means.drop(columns="_window").assign(window=window)
