"""Profiles on paper."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradflow.figures.moments import require_one_step
from gradflow.figures.profile import profile as described
from gradflow.plots import paper, style


def profile(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    measure: str = "grad_norm",
    looks: Mapping[style.Network, style.Look] | None = None,
) -> Axes:
    """Draw one step's norms against layer depth, one line per network, on a log axis.

    A line that falls towards the input (left) is a vanishing gradient, one that rises an exploding one.

    Parameters
    ----------
    frame : DataFrame
        Rows of one step from `gradflow.analysis.profile_over_seeds`.
    ax : Axes, optional
        The current axes by default.
    measure : str
        What the frame holds, for the axis label.
    looks : mapping, optional
        From `gradflow.figures.looks.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        The frame lacks a column, has no rows or several steps.
    """
    figure = described(frame, measure)
    require_one_step(frame)
    return paper.draw(figure, ax, looks=looks)


def profiles(
    frame: pd.DataFrame, width: float = style.DOUBLE, *, measure: str = "grad_norm", moment: str | None = None
) -> Figure:
    """Draw `profile` once per step."""
    return paper.page(lambda: described(frame, measure, moment=moment), width)
