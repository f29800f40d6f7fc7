"""Gradients over time on paper."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradflow.figures.moments import require_one_step
from gradflow.figures.times import times
from gradflow.plots import paper, style


def gradient_over_time(
    frame: pd.DataFrame, ax: Axes | None = None, *, looks: Mapping[style.Network, style.Look] | None = None
) -> Axes:
    """Draw one step's norms against the position in the sequence, one line per sequence, on a log axis.

    A line at a layer's input that falls towards the first position (left) is a gradient that vanishes over time.

    Parameters
    ----------
    frame : DataFrame
        Rows of one step from `gradflow.analysis.gradient_over_time_over_seeds`.
    ax : Axes, optional
        The current axes by default.
    looks : mapping, optional
        From `gradflow.figures.looks.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        The frame lacks a column, has no rows or several steps.
    """
    figure = times(frame)
    require_one_step(frame)
    return paper.draw(figure, ax, looks=looks)


def gradient_over_time_figure(frame: pd.DataFrame, width: float = style.DOUBLE, *, moment: str | None = None) -> Figure:
    """Draw `gradient_over_time` once per step."""
    return paper.page(lambda: times(frame, moment=moment), width)
