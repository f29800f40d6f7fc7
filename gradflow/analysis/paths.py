"""Lengths of the paths that a gradient takes through residual blocks: shares, their mean and their middle."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gradflow.errors import GradflowError
from gradflow.recording import (
    INPUT,
    PATH_COUNTS,
    PATH_DRAWN,
    PATH_GRADIENTS,
    PATH_HIGHS,
    PATH_LOWS,
    PATH_SHARES,
    Recording,
)

_PROBES = {
    PATH_COUNTS: "paths",
    PATH_GRADIENTS: "gradient",
    PATH_LOWS: "low",
    PATH_HIGHS: "high",
    PATH_DRAWN: "n",
    PATH_SHARES: "share",
}

Floats = np.ndarray[Any, np.dtype[np.float64]]

NEARLY_ALL = 0.99  # of the gradient, in `PathLengths.shortest` and `longest`
_ROUNDING = 1e-6  # by which shares of all lengths may miss 1


class PathLengths(NamedTuple):
    """Where a distribution of path lengths lies, in blocks.

    `quarter`, `median` and `three_quarters` are the shortest lengths up to which that share comes; `shortest` to
    `longest` is the narrowest run of lengths that holds 99 %.
    """

    n_blocks: int
    mean: float
    quarter: int
    median: int
    three_quarters: int
    shortest: int
    longest: int


class PublishedLengths(NamedTuple):
    """Path lengths that someone published for a network of `n_blocks` blocks: `shortest` to `longest`, in blocks."""

    shortest: int
    longest: int
    n_blocks: int
    source: str


def path_shares(gradients: Iterable[float]) -> Floats:
    """Return the share of each path length: C(n, k) paths times the mean gradient of one, over the sum.

    `gradients` are mean norms per path of length 0, 1, ..., n.

    Notes
    -----
    Veit et al. 2016 (arXiv 1605.06431), section 5. Summed as logarithms: C(1202, 601) is no float.

    Examples
    --------
    >>> path_shares([1.0, 1.0, 1.0]).tolist()
    [0.25, 0.5, 0.25]
    """
    from scipy import special  # here, as in `gradflow.analysis.intervals`

    found = np.asarray(list(gradients), dtype=np.float64)
    n = len(found) - 1
    k = np.arange(n + 1)
    counts = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    with np.errstate(divide="ignore"):
        logs = counts + np.log(found)
    if not np.isfinite(logs.max()):  # all zero, or a gradient that is not finite
        return np.full(n + 1, math.nan)
    weights = np.exp(logs - logs.max())
    shares: Floats = weights / weights.sum()
    return shares


def binomial_shares(n_blocks: int, scale: float) -> Floats:
    """Return the shares in a linear residual network, each branch `scale` times an isometry: C(n, k) a^k / (1 + a)^n.

    `scale`, a, is how much larger a gradient comes out of a branch than it went in; 1 gives the counts of the paths.

    Examples
    --------
    >>> binomial_shares(2, 1.0).round(12).tolist()
    [0.25, 0.5, 0.25]
    """
    if n_blocks < 1:
        raise ValueError(f"n_blocks must be at least 1; got {n_blocks}.")
    if not (scale > 0 and math.isfinite(scale)):
        raise ValueError(f"scale must be positive and finite; got {scale}.")
    return path_shares(scale ** np.arange(n_blocks + 1.0))


def path_lengths(frame: pd.DataFrame) -> PathLengths:
    """Return where the shares by path length of `gradflow.probe.effective_paths` lie.

    Raises
    ------
    GradflowError
        The shares are NaN, as no gradient arrived or one that is not finite, or they are not those of every length.

    Examples
    --------
    >>> frame = pd.DataFrame({"length": range(5), "share": [1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16]})
    >>> path_lengths(frame)
    PathLengths(n_blocks=4, mean=2.0, quarter=1, median=2, three_quarters=3, shortest=0, longest=4)
    """
    rows = frame.sort_values("length")
    length, share = rows["length"].to_numpy(dtype=np.int64), rows["share"].to_numpy(dtype=np.float64)
    if np.isnan(share).any():
        raise GradflowError("frame must hold finite shares; they are NaN, so no finite gradient arrived at the input.")
    if not has_every_length(frame):
        raise GradflowError(f"frame must hold every path length, whose shares add up to 1; got {share.sum():.3g}.")
    reached = np.cumsum(share) + 1e-12  # rounding of a sum of shares
    quarter, median, three_quarters = (int(length[np.argmax(reached >= part)]) for part in (0.25, 0.5, 0.75))
    return PathLengths(
        int(length[-1]), float((length * share).sum()), quarter, median, three_quarters, *_narrowest(length, reached)
    )


def has_every_length(frame: pd.DataFrame) -> bool:
    """Whether the shares are those of every path length, so that one can say where they lie.

    Examples
    --------
    >>> has_every_length(pd.DataFrame({"length": [3], "share": [0.2]}))
    False
    """
    return bool(abs(frame["share"].sum(skipna=False) - 1) <= _ROUNDING)


def share_within(frame: pd.DataFrame, shortest: int, longest: int) -> float:
    """Return the share of the gradient that comes by paths of `shortest` to `longest` blocks.

    Examples
    --------
    >>> share_within(pd.DataFrame({"length": [0, 1, 2], "share": [0.25, 0.5, 0.25]}), 1, 2)
    0.75
    """
    return float(frame["share"][frame["length"].between(shortest, longest)].sum())


def _narrowest(length: np.ndarray[Any, np.dtype[np.int64]], reached: Floats) -> tuple[int, int]:
    """Return the ends of the narrowest run of lengths that holds nearly all."""
    before = np.concatenate([[1e-12], reached[:-1]])
    runs = [
        (int(length[last] - length[first]), int(length[first]), int(length[last]))
        for first in range(len(length))
        for last in range(first, len(length))
        if reached[last] - before[first] >= NEARLY_ALL - 1e-9
    ]
    return min(runs)[1:]


def path_probes(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `effective_paths`' frame as rows for `Recording(probes=...)`: probe, layer, x (the length), value."""
    parts = [
        pd.DataFrame({"probe": probe, "layer": INPUT, "x": frame["length"].astype("float64"), "value": frame[column]})
        for probe, column in _PROBES.items()
    ]
    return pd.concat(parts, ignore_index=True).astype({"value": "float64"})


def recorded_paths(recording: Recording) -> pd.DataFrame:
    """Return `effective_paths`' frame from the probes that hold it, without rows where a probe is missing.

    The opposite of `path_probes`: one row per length, with paths, gradient, low, high, n, share.

    Examples
    --------
    >>> columns = ("paths", "gradient", "low", "high", "n", "share")
    >>> frame = pd.DataFrame({"length": [0, 1], **dict.fromkeys(columns, 0.5), "n": 3})
    >>> recorded_paths(Recording(probes=path_probes(frame)))["share"].tolist()
    [0.5, 0.5]
    """
    probes = recording.probes
    probes = probes[probes["probe"].isin(_PROBES) & (probes["layer"] == INPUT)]
    if (again := probes.duplicated(["probe", "x"])).any():
        probe, x = probes.loc[again, ["probe", "x"]].iloc[0]
        raise GradflowError(
            f"probes must hold one value of {probe!r} for each x; {recording.name} has several at {x:g}."
        )
    wide = probes.pivot(index="x", columns="probe", values="value").rename(columns=_PROBES)
    if set(wide.columns) != set(_PROBES.values()):
        wide = wide.iloc[:0].reindex(columns=list(_PROBES.values()))
    found = wide.rename_axis(index="length", columns=None).reset_index()[["length", *_PROBES.values()]]
    return found.astype({"length": "int64", "n": "int64"})
