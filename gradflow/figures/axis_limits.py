"""Where rows stand on an axis: its limits, where zeros and values that are not finite are, and what has no place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gradflow.figures.model import Axis
from gradflow.figures.seed_words import MAX_BANDS

MIN_SPAN = 4.0  # highest over lowest value that a log axis shows at least, so that level lines look level
SHORT = 30.0  # up to this ratio a log axis names 1, 2 and 5 of each decade
MAX_SHARED = 20.0  # decades of an axis that panels share, if one of them has less than a third of it
_MARGIN, _MIN_MARGIN, _EDGES = 0.05, float(np.log10(1.2)), 3  # of a log axis' decades; margins that an edge takes
_AT_EDGE = 0.04  # of an axis with room for zeros, that their marks stand inside it
_PERCENT_MARGIN = 0.02  # of an axis of fractions, most of which reach from 0 to 1
_HEADROOM, _MIN_ERROR, _FOOT = 1.1, 0.05, 0.03  # of an axis of errors: over the largest, at least, and below 0
_MAX_POWERS = 8  # ticks of an axis by powers of two
MIN_TICKS = 4  # of a short log axis
_DIGITS = ((1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8))  # far enough apart for their names
_FLOATS = (-307, 308)  # powers of ten that a float holds


def limits(axis: Axis, rows: pd.DataFrame) -> tuple[float, float]:
    """Return the limits of an axis: one rule, whatever draws."""
    if axis.limits is not None:
        return axis.limits
    if axis.names:
        room = 0.3 if axis.kind == "places" else 0.6
        ends = -room, len(axis.names) - 1 + room
        return ends[::-1] if axis.kind == "rows" else ends
    if axis.kind == "log":
        low, high, margin = _decades(axis, rows)
        zeros, nonfinite = edges(axis, rows)
        return _power(low - margin * (1 + _EDGES * zeros.any())), _power(high + margin * (1 + _EDGES * nonfinite.any()))
    columns = [axis.column] if axis.kind in ("depth", "doubling", "steps", "whole") else bounds(axis, rows)
    finite = _finite(axis, rows, columns)
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if axis.kind == "steps":
        return 0.0, max(high, 1.0) * 1.1
    if axis.kind == "doubling":
        first, last = np.floor(np.log2(low)), np.ceil(np.log2(high))
        margin = _MARGIN * ((last - first) or 1.0)
        return float(2 ** (first - margin)), float(2 ** (last + margin))
    if axis.kind == "whole":
        return low, max(high, low + 1)
    if axis.kind == "error":  # no error is larger than 1, whose marks need half their size
        top = max(min(_HEADROOM * high, 1 + _FOOT), _MIN_ERROR)
        return -_FOOT * top, top
    if axis.kind == "powers":
        margin = _margin(high - low)
    else:
        margin = (_PERCENT_MARGIN if axis.kind == "fraction" else _MARGIN) * ((high - low) or 1.0)
    return low - margin, high + margin


def powers_of_two(axis: Axis, rows: pd.DataFrame) -> list[float]:
    """Return the places of ticks on an axis by powers of two, at most eight."""
    low, high = np.log2(limits(axis, rows))
    powers = [2.0**power for power in range(int(np.ceil(low)), int(np.floor(high)) + 1)]
    return powers[:: -(-len(powers) // _MAX_POWERS) or 1]


def bounds(axis: Axis, rows: pd.DataFrame) -> list[str]:
    """Return the columns that are drawn along an axis: the value and, of few enough networks, its interval."""
    are_drawn = "low" in rows and ("line" in rows or len(rows[["family", "depth"]].drop_duplicates()) <= MAX_BANDS)
    return [axis.column, *(("low", "high") if are_drawn else ()), *axis.others]


def is_short(axis: Axis, rows: pd.DataFrame) -> bool:
    """Whether a log axis spans so little that it names 1, 2 and 5 of each decade."""
    low, high, _ = _decades(axis, rows)
    return high - low <= float(np.log10(SHORT))


def fine_places(low: float, high: float) -> list[float]:
    """Return ticks of a short log axis: 1, 2 and 5 times powers of ten, and more where those are less than four.

    Examples
    --------
    >>> fine_places(0.3, 9.0)
    [0.5, 1.0, 2.0, 5.0]
    >>> fine_places(1.1, 5.0)
    [1.5, 2.0, 3.0, 5.0]
    """
    decades = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    found: list[float] = []
    for digits in _DIGITS:
        found = [value for power in decades for digit in digits if low <= (value := float(f"{digit}e{power}")) <= high]
        if len(found) >= MIN_TICKS:
            break
    return found


def edge_places(axis: Axis, rows: pd.DataFrame) -> tuple[float, float]:
    """Return where a log axis draws zeros (at its foot) and values that are not finite (on top)."""
    low, high, margin = _decades(axis, rows)
    foot, top = low - (1 + _EDGES) * margin, high + (1 + _EDGES) * margin
    inside = min(margin, _AT_EDGE * (high + margin - foot))  # a short axis has wide margins
    return _power(foot + inside), _power(top - inside)


def edges(axis: Axis, rows: pd.DataFrame) -> tuple[pd.Series[bool], pd.Series[bool]]:
    """Return which rows of a log axis stand for zeros, and which for values that are not finite."""
    if axis.kind != "log" or "n_zero" not in rows:
        none = pd.Series(data=False, index=rows.index)
        return none, none
    return rows["n_zero"] > 0, rows["n_nonfinite"] > 0


def drawn_values(axis: Axis, rows: pd.DataFrame) -> pd.Series[float]:
    """Return the values that have a place on an axis, NaN for all others."""
    return pd.Series(_with_place(axis, rows[axis.column]), rows.index, name=axis.column)


def intervals(axis: Axis, rows: pd.DataFrame) -> tuple[pd.Series[float], pd.Series[float]]:
    """Return the bounds of intervals, NaN where one of them has no place on the axis."""
    if "low" not in rows:
        none = pd.Series(np.nan, rows.index)
        return none, none
    low, high = (_with_place(axis, rows[name]) for name in ("low", "high"))
    is_open = np.isnan(low) | np.isnan(high)
    return pd.Series(np.where(is_open, np.nan, low), rows.index), pd.Series(np.where(is_open, np.nan, high), rows.index)


def _with_place(axis: Axis, column: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the values of a column that have a place on an axis, NaN for all others."""
    values = column.to_numpy(np.float64, na_value=np.nan)
    has_place = np.isfinite(values) & ((values > 0) | (axis.kind != "log"))
    return np.where(has_place, values, np.nan)


def are_too_far_apart(panels: Sequence[pd.Series[Any]]) -> bool:
    """Whether values of several panels span so many decades that on shared axes some panels would look flat."""
    spans = [_span(values)[:2] for values in panels if (np.isfinite(values) & (values > 0)).any()]
    if not spans:
        return False
    whole = max(high for _, high in spans) - min(low for low, _ in spans)
    return whole > MAX_SHARED and min(high - low for low, high in spans) < whole / 3


def _finite(axis: Axis, rows: pd.DataFrame, columns: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return all finite values of some columns, and those that the limits must hold."""
    values = np.concatenate([rows[name].to_numpy(np.float64, na_value=np.nan) for name in columns])
    return np.append(values[np.isfinite(values)], axis.ends)


def _decades(axis: Axis, rows: pd.DataFrame) -> tuple[float, float, float]:
    """Return the logarithms of the smallest and the largest value along an axis, and the margin around them."""
    return _span(_finite(axis, rows, (axis.column, *axis.others)))


def _span(values: Any) -> tuple[float, float, float]:
    found = np.asarray(values, dtype=np.float64)
    found = found[np.isfinite(found) & (found > 0)]
    low, high = np.log10([found.min(), found.max()]) if len(found) else (-1.0, 1.0)
    return float(low), float(high), _margin(high - low)


def _margin(decades: float) -> float:
    return float(max(_MARGIN * decades, _MIN_MARGIN, (np.log10(MIN_SPAN) - decades) / 2))


def _power(exponent: float) -> float:
    return float(10 ** np.clip(exponent, *_FLOATS))
