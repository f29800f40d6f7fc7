"""Means with the interval they deserve."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, overload

import numpy as np

CONFIDENCE = 0.95
ANYWHERE, SHARE = (-math.inf, math.inf), (0.0, 1.0)  # where values can lie, at which their intervals are cut

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Ints = np.ndarray[tuple[int], np.dtype[np.integer[Any]]]


class Interval(NamedTuple):
    """A mean, the bounds of its interval and the number of values; bounds are NaN for fewer than two values."""

    mean: float
    low: float
    high: float
    n: int

    def within(self, low: float, high: float) -> Interval:
        """Return the interval cut at the bounds that its values cannot leave, such as 0 and 1 of a share.

        Examples
        --------
        >>> Interval(0.5, -1.5, 2.5, 2).within(0.0, 1.0)
        Interval(mean=0.5, low=0.0, high=1.0, n=2)
        """
        # NaN, the bound of a single value, stays: it compares with nothing.
        return self._replace(low=low if self.low < low else self.low, high=high if self.high > high else self.high)


def interval_of(row: Mapping[Any, Any], name: str, n: str = "n") -> Interval:
    """Return the interval that a row of a frame holds: `name`, `name`_low and `name`_high, and how many values."""
    return Interval(row[name], row[f"{name}_low"], row[f"{name}_high"], int(row[n]))


def mean_interval(values: Iterable[float], confidence: float = CONFIDENCE) -> Interval:
    """Return the mean of independent values, one per seed, with Student's t interval; NaN (not measured) is left out.

    Notes
    -----
    mean ± t(confidence, n - 1) s / sqrt(n) (Student 1908). One value has no interval: its bounds are NaN.

    Examples
    --------
    >>> mean_interval([4.0, 4.0, 4.0])
    Interval(mean=4.0, low=4.0, high=4.0, n=3)
    """
    kept = np.asarray([value for value in values if not math.isnan(value)], dtype=np.float64)
    n = len(kept)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = float(kept.mean())
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    half = student(n - 1, confidence) * float(kept.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def mean_intervals(values: Floats, groups: Ints, n_groups: int) -> tuple[Floats, Floats, Floats, Ints]:
    """Return `mean_interval` of many groups at once: means, lower and upper bounds, numbers of values.

    `groups` holds each value's group, 0 to `n_groups` - 1; one without values has n = 0 and NaN elsewhere.

    Examples
    --------
    >>> mean_intervals(np.array([4.0, 4.0, 1.0]), np.array([0, 0, 1]), 2)[:2]
    (array([4., 1.]), array([ 4., nan]))
    """
    kept = ~np.isnan(values)
    values, groups = values[kept], groups[kept]
    n = np.bincount(groups, minlength=n_groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(groups, values, minlength=n_groups) / n
        squares = np.bincount(groups, (values - mean[groups]) ** 2, minlength=n_groups)
        half = student(n - 1) * np.sqrt(squares / (n - 1)) / np.sqrt(n)
    return mean, mean - half, mean + half, n


class Share(NamedTuple):
    """How many of n had a property, and the bounds of the share's interval; NaN for n = 0."""

    hits: int
    n: int
    low: float
    high: float


def wilson(hits: int, n: int) -> Share:
    """Return a share with its 95 % interval (Wilson 1927).

    Examples
    --------
    >>> wilson(85, 89)
    Share(hits=85, n=89, low=0.8900695404028713, high=0.982385513932674)
    """
    if n == 0:
        return Share(hits, n, math.nan, math.nan)
    from scipy import special  # here, as below

    z = float(special.ndtri((1 + CONFIDENCE) / 2))
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Share(hits, n, centre - half, centre + half)


@overload
def student(freedom: int, confidence: float = ...) -> float: ...
@overload
def student(freedom: Ints, confidence: float = ...) -> Floats: ...
def student(freedom: int | Ints, confidence: float = CONFIDENCE) -> float | Floats:
    """Return Student's t: half an interval's width in standard errors, NaN without a degree of freedom.

    Examples
    --------
    >>> round(student(2), 3)
    4.303
    """
    from scipy import special  # here, because the process that draws beside a report computes no interval

    # special.stdtrit is what scipy.stats.t.ppf calls; importing scipy.stats takes as long as a small report.
    found = special.stdtrit(np.where(np.asarray(freedom) > 0, freedom, np.nan), (1 + confidence) / 2)
    return float(found) if isinstance(freedom, int) else found
