"""Means with the interval they deserve."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean, the bounds of its interval and the number of values; bounds are NaN for fewer than two values."""

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: Iterable[float], confidence: float = CONFIDENCE) -> Interval:
    """Return the mean of independent values with Student's t interval.

    Parameters
    ----------
    values : iterable of float
        One per seed. NaN entries (not measured) are left out and do not count.
    confidence : float
        Coverage in (0, 1).

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
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1) * kept.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)
