"""Axes for logarithms beside zeros and non-finite values, and for fractions as percent."""

from __future__ import annotations

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from gradflow.figures.looks import NEUTRAL
from gradflow.text import text

GRID = "#e6e6e6"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power_of_ten(value: float) -> str:
    """Return a power of ten in plain characters, which are laid out ten times as fast as mathematics.

    Ticks below what a float can hold are zero, and have no name.

    Examples
    --------
    >>> power_of_ten(1e-12)
    '10⁻¹²'
    """
    return "" if value <= 0 else f"10{str(round(np.log10(value))).translate(_SUPERSCRIPTS)}"


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
