"""The training error of always answering the most frequent class: what a network that learns must stay below."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradflow.plots import style
from gradflow.text import text

REACH = 1.35  # times the largest error measured: a line that is further off would flatten what was measured
_LOOK: dict[str, Any] = {"color": style.NEUTRAL, "linestyle": (0, (1, 3)), "linewidth": 0.8}


def is_near(majority_error: float | None, errors: pd.Series[Any]) -> bool:
    """Whether there is such an error, and errors come so near that both can be told apart on one axis."""
    return majority_error is not None and bool(majority_error <= REACH * errors.max())


def draw_majority(ax: Axes, majority_error: float) -> None:
    """Draw the error as a thin line from edge to edge, behind what was measured."""
    ax.axhline(majority_error, zorder=1, **_LOOK)


def majority_handle() -> Line2D:
    """Return the legend's entry of the line."""
    return Line2D([], [], label=text("figure.majority"), **_LOOK)
