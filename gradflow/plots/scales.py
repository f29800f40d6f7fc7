"""Axes for logarithms beside zeros and non-finite values, and for fractions as percent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from gradflow.figures.looks import NEUTRAL
from gradflow.figures.model import LEAST_SPAN, SHORT
from gradflow.text import text

GRID = "#e6e6e6"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class LogScale(NamedTuple):
    """Where a log axis draws what has no logarithm: zeros low, non-finite values high."""

    zero: float
    nonfinite: float

    def place(self, values: Iterable[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the values with zeros and infinities at their edges; NaN (not measured) stays."""
        found = np.asarray(list(values), dtype=np.float64)
        return np.where(found == 0, self.zero, np.where(np.isinf(found), self.nonfinite, found))


def log_axis(ax: Axes, values: Iterable[float], *, zeros: bool = False, nonfinite: bool = False) -> LogScale:
    """Make y logarithmic with room for the values, and edges for zeros and non-finite ones if asked.

    Parameters
    ----------
    ax : Axes
        Changed in place.
    values : iterable of float
        Everything to be drawn; what is not positive and finite does not count for the limits.
    zeros, nonfinite : bool
        Whether there are such values to be drawn.
    """
    found = np.asarray(list(values), dtype=np.float64)
    found = found[np.isfinite(found) & (found > 0)]
    low, high = np.log10([found.min(), found.max()]) if len(found) else (-1.0, 1.0)
    margin = max(0.05 * (high - low), np.log10(1.2), (np.log10(LEAST_SPAN) - (high - low)) / 2)
    edges = LogScale(zero=_power(low - 3 * margin), nonfinite=_power(high + 3 * margin))
    ax.set_yscale("log")
    bottom = low - 3 * margin if zeros else low
    top = high + 3 * margin if nonfinite else high
    ax.set_ylim(_power(bottom - margin), _power(top + margin))
    if high - low > np.log10(SHORT):
        ax.yaxis.set_major_locator(LogLocator(numticks=6))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))
        ax.yaxis.set_minor_locator(NullLocator())
    else:
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
    ax.grid(axis="y", color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)
    return edges


def power_of_ten(value: float) -> str:
    """Return a power of ten in plain characters, which are laid out ten times as fast as mathematics.

    Ticks below what a float can hold are zero, and have no name.

    Examples
    --------
    >>> power_of_ten(1e-12)
    '10⁻¹²'
    """
    return "" if value <= 0 else f"10{str(round(np.log10(value))).translate(_SUPERSCRIPTS)}"


def _power(exponent: float) -> float:
    """Return 10 to the exponent, held within what a float can hold."""
    return float(10 ** np.clip(exponent, -307, 308))


def edge_handles(*, zeros: bool, nonfinite: bool) -> list[Line2D]:
    """Return legend entries that say where a log axis draws zeros and non-finite values, if there are any."""
    handles = []
    if zeros:
        handles.append(Line2D([], [], color=NEUTRAL, linestyle="", marker="v", label=text("figure.edge.zero")))
    if nonfinite:
        handles.append(Line2D([], [], color=NEUTRAL, linestyle="", marker="x", label=text("figure.edge.nonfinite")))
    return handles


def percent_axis(ax: Axes, *, axis: Literal["x", "y"] = "y") -> None:
    """Show fractions as percent."""
    chosen = ax.yaxis if axis == "y" else ax.xaxis
    written = text("unit.percent", value="{}")  # here, in the language of the figure, and not when it is drawn
    chosen.set_major_formatter(FuncFormatter(lambda value, _: written.format(f"{100 * value:g}".replace("-", "−"))))
    ax.grid(axis=axis, color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)
