"""How far back in time the gradient of recurrent layers reaches."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from gradflow.analysis.profile import MOMENTS
from gradflow.analysis.runs import IDENTITY, NETWORK, as_list, check_seeds, over_seeds, stacked
from gradflow.recording import TIME_COLUMNS, Recording

ARRIVES = 0.01  # share of the last position's norm below which hardly anything arrives
SERIES = ("layer", "tensor")
_UNKNOWN = -1


class Reach(NamedTuple):
    """How far back one sequence's gradient reaches.

    `last` is the last position that receives any gradient, `first` the earliest, and `reach` the earliest that
    receives at least 1 % of what `last` does. `decades` is log10 of the norm at `first` over that at `last`, `factor`
    that ratio per time step; both are NaN where fewer than two positions receive any. `n_zero_before` positions
    before `first` have a gradient of exactly zero. Of a sequence with a norm that is not finite nothing is known.
    """

    first: int
    last: int
    reach: int
    decades: float
    factor: float
    n_zero_before: int


def gradient_over_time(
    recordings: Recording | Iterable[Recording], *, steps: Literal["recorded"] | None = None
) -> pd.DataFrame:
    """Return the gradient's norm at each position of the sequences of recurrent layers.

    Parameters
    ----------
    steps : "recorded", optional
        All recorded steps; by default those of 0, 1, 10 and 100 that were recorded, and each run's last recorded step.

    Returns
    -------
    DataFrame
        One row per (run, step, layer, tensor, time): run, family, depth, seed, step, layer, tensor, time, grad_norm.
        tensor "output": the gradient that the loss and later layers send directly to the layer's output at that
        position; "input": that of the layer's input, all uses of it counted. grad_norm is an L2 norm over batch and
        features.

    Examples
    --------
    >>> times = pd.DataFrame({"step": 0, "layer": "rnn", "tensor": "input", "time": [0, 1], "grad_norm": [0.01, 1.0]})
    >>> gradient_over_time(Recording(times=times, meta={"run": "mine"}))[["run", "layer", "time", "grad_norm"]]
        run layer  time  grad_norm
    0  mine   rnn     0       0.01
    1  mine   rnn     1       1.00
    """
    found = as_list(recordings)
    tables = [_at_steps(recording.times, every=steps is not None) for recording in found]
    columns = [*IDENTITY, *TIME_COLUMNS]
    return stacked(found, tables or [pd.DataFrame(columns=list(TIME_COLUMNS))])[columns]


def gradient_over_time_over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return geometric means over seeds of the norms of `gradient_over_time`.

    Returns
    -------
    DataFrame
        One row per (family, depth, step, layer, tensor, time), layers in the order of the frame: mean, low, high, n,
        n_zero, n_nonfinite, as in `profile_over_seeds`.
    """
    check_seeds(frame)
    order = frame[list(SERIES)].drop_duplicates().reset_index(drop=True)
    order = order.assign(_order=np.arange(len(order)))
    means = over_seeds(frame, (*NETWORK, "step", *SERIES, "time"), "grad_norm", geometric=True)
    placed = means.merge(order, on=list(SERIES)).sort_values([*NETWORK, "step", "_order", "time"], kind="stable")
    return placed.drop(columns="_order").reset_index(drop=True)


def reach_over_time(frame: pd.DataFrame) -> pd.DataFrame:
    """Return how far back the gradient reaches in each sequence of `gradient_over_time`.

    Returns
    -------
    DataFrame
        One row per (run, step, layer, tensor): run, family, depth, seed, step, layer, tensor, and the fields of
        `Reach`.

    Examples
    --------
    >>> norms = [0.0, 1e-6, 1e-4, 1e-2, 1.0]
    >>> times = pd.DataFrame({"step": 0, "layer": "rnn", "tensor": "input", "time": range(5), "grad_norm": norms})
    >>> found = reach_over_time(gradient_over_time(Recording(times=times, meta={"run": "mine"})))
    >>> found[["first", "last", "reach", "decades", "factor", "n_zero_before"]].values.tolist()
    [[1.0, 4.0, 3.0, -6.0, 0.01, 1.0]]
    """
    keys = [*IDENTITY, "step", *SERIES]
    rows = [
        {**dict(zip(keys, key, strict=True)), **reach(group["time"], group["grad_norm"])._asdict()}
        for key, group in frame.groupby(keys, dropna=False, sort=False)
    ]
    found = pd.DataFrame(rows, columns=[*keys, *Reach._fields])
    return found.astype({name: frame[name].dtype for name in keys})


def reach(times: Iterable[int], norms: Iterable[float]) -> Reach:
    """Return how far back one sequence's gradient reaches, from its positions and their norms."""
    place, norm = np.asarray(list(times), dtype=np.int64), np.asarray(list(norms), dtype=np.float64)
    ordered = np.argsort(place)
    place, norm = place[ordered], norm[ordered]
    received = np.flatnonzero(norm > 0)
    if not len(received) or not np.isfinite(norm).all():
        return Reach(_UNKNOWN, _UNKNOWN, _UNKNOWN, math.nan, math.nan, 0)
    first, last = received[0], received[-1]
    arrives = np.flatnonzero(norm >= ARRIVES * norm[last])
    decades, factor, apart = math.nan, math.nan, int(place[last] - place[first])
    if apart:
        decades = float(np.log10(norm[first]) - np.log10(norm[last]))
        factor = float(10 ** (decades / apart))
    return Reach(int(place[first]), int(place[last]), int(place[arrives[0]]), decades, factor, int(first))


def _at_steps(times: pd.DataFrame, *, every: bool) -> pd.DataFrame:
    return times if every else times[times["step"].isin([*MOMENTS, times["step"].max()])]
