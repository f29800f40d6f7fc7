"""How large each layer's gradient, weights and updates are over a run, and how much that varies by itself."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from gradflow.analysis.intervals import Floats
from gradflow.analysis.runs import as_list
from gradflow.recording import Recording

MEASURES = ("grad_norm", "out_grad_norm", "weight_norm", "update_norm")
NORMAL = 1.4826  # times the median distance from the median is the standard deviation of a normal distribution
# Of all comparisons of two groups of runs that differ by chance alone, so many say that something has changed.
FALSE_ALARMS = 0.01
# A norm that changes by an eighth changes no training, however exactly runs repeat it.
MIN_CHANGE = 0.05  # decades


def levels(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return how large each measure of each layer is, over all recorded steps of runs that differ in their seed.

    Returns
    -------
    DataFrame
        One row per layer and measure that was recorded in any run, in execution order: layer, order, layer_depth,
        measure, level (log10 of the median norm over the steps, its mean over the runs; -inf of zeros, inf of what is
        not finite), spread (standard deviation of the level between runs; of one run alone that of single steps about
        their neighbours, NaN with fewer than three steps), n_runs.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": [0, 1, 2], "layer": "a", "grad_norm": [1.0, 10.0, 100.0]})
    >>> levels(Recording(layers=layers))[["layer", "measure", "level"]].values.tolist()
    [['a', 'grad_norm', 1.0]]
    """
    frames = [_of_one(recording) for recording in as_list(recordings)]
    rows = pd.concat(frames, ignore_index=True) if frames else _of_one(Recording())
    grouped = rows.groupby(["layer", "measure"], sort=False)
    with np.errstate(invalid="ignore"):
        frame = grouped.agg(
            order=("order", "min"), layer_depth=("layer_depth", "max"), level=("level", "mean"),
            over_steps=("over_steps", "mean"), spread=("level", "std"), n_runs=("level", "size"),
        )  # fmt: skip
    frame["spread"] = frame["spread"].where(frame["n_runs"] > 1, frame.pop("over_steps"))
    frame = frame.reset_index().sort_values("order", kind="stable", ignore_index=True)
    return frame[["layer", "order", "layer_depth", "measure", "level", "spread", "n_runs"]]


def norms_by_step(recording: Recording, measure: str) -> pd.DataFrame:
    """Return a measure's norms, a row a step and a column a layer: of several calls or passes the largest.

    Infinite where a gradient's entries were counted and some are not finite; NaN where nothing was measured.
    """
    rows = recording.layers
    values = rows[measure]
    if measure in ("grad_norm", "out_grad_norm"):
        values = values.where(values.notna() | (rows["n_nonfinite"] <= 0), math.inf)
    is_known = rows["in_grad"] & values.notna()
    largest = values[is_known].groupby([rows.loc[is_known, "step"], rows.loc[is_known, "layer"]], sort=False).max()
    return largest.unstack("layer").sort_index()


def over_steps(logs: Floats) -> float:
    """Return the standard deviation of single steps about their neighbours, in which a trend cancels; NaN for few.

    From the median distance of successive values, so that a jump does not count.
    """
    finite = logs[np.isfinite(logs)]
    return NORMAL * float(np.median(np.abs(np.diff(finite)))) / math.sqrt(2) if len(finite) > 2 else math.nan


def allowed(frame: pd.DataFrame, n_runs: int, n_compared: int) -> pd.Series[float]:
    """Return by how many decades each level of `levels` may differ by chance in the mean of `n_runs` other runs.

    Of `n_compared` comparisons none is to fail by chance, but for `FALSE_ALARMS`.

    Notes
    -----
    z s sqrt(1 / n + 1 / n_runs), z of the normal distribution after Bonferroni's correction; s is the standard
    deviation between runs, of which few runs say little, so that it is at least that of all layers together. One run
    alone has none: single steps, whose levels vary more than a median over steps does, stand for it. At least
    `MIN_CHANGE`.
    """
    spread = frame["spread"]
    together = np.sqrt((spread**2).where(np.isfinite(spread)).groupby(frame["measure"]).transform("mean"))
    spread = spread.where(np.isfinite(spread), 0.0).clip(lower=together.fillna(0.0))
    limits: pd.Series[float] = quantile(n_compared) * spread * np.sqrt(1 / frame["n_runs"] + 1 / n_runs)
    return limits.clip(lower=MIN_CHANGE)


def quantile(n_compared: int) -> float:
    """Return how many standard deviations none of so many differences is beyond by chance, but for `FALSE_ALARMS`."""
    from scipy import special  # here, so that importing this costs little

    return float(special.ndtri(1 - FALSE_ALARMS / (2 * max(n_compared, 1))))


def _of_one(recording: Recording) -> pd.DataFrame:
    """Return one row per layer and measure: layer, order, layer_depth, measure, level, over_steps."""
    places = recording.layers.groupby("layer", sort=False).agg(order=("order", "min"), depth=("layer_depth", "max"))
    rows: dict[str, list[object]] = {
        name: [] for name in ("layer", "order", "layer_depth", "measure", "level", "over_steps")
    }
    for measure in MEASURES:
        norms = norms_by_step(recording, measure)
        with np.errstate(divide="ignore"):
            logs = np.log10(norms.to_numpy(dtype=np.float64))
        for column, layer in enumerate(norms.columns):
            known = logs[~np.isnan(logs[:, column]), column]
            values = (layer, *places.loc[layer], measure, float(np.median(known)), over_steps(known))
            for name, value in zip(rows, values, strict=True):
                rows[name].append(value)
    numbers = {"level": "float64", "over_steps": "float64", "order": "int64", "layer_depth": "int64"}
    return pd.DataFrame(rows).astype(numbers)
