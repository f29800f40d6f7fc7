"""Geometric means of ratios and factors, which multiply where errors add."""

from __future__ import annotations

import math
from collections.abc import Iterable

from gradflow.analysis.intervals import Interval, mean_interval


def geometric(values: Iterable[float]) -> Interval:
    """Return the geometric mean of the positive finite values; Student's 95 % interval over logarithms.

    Examples
    --------
    >>> geometric([10.0, 1000.0]).mean
    100.0
    """
    logs = mean_interval(math.log10(value) for value in values if value > 0 and math.isfinite(value))
    mean, low, high = (_power(bound) for bound in logs[:3])
    return Interval(mean, low, high, logs.n)


def _power(logarithm: float) -> float:
    """Return ten to the logarithm, inf where no float holds it."""
    return math.inf if logarithm > 308 else 10.0**logarithm
