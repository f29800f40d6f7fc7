"""Gradient flow by layer name, on paper."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradflow.figures.gradient_flow import gradient_flow as described
from gradflow.plots import paper, style


def gradient_flow(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the median and the largest gradient norm of each layer of one run, as bars by name on a log axis.

    Bars that shrink towards the input (left) are a vanishing gradient, bars that grow towards it an exploding one.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.gradient_flow`.
    ax : Axes, optional
        The current axes by default.

    Raises
    ------
    ValueError
        The frame lacks a column, has no rows or several runs.
    """
    figure = described(frame)
    if frame["run"].nunique() > 1:
        raise ValueError(f"frame must hold one run; got {', '.join(map(str, frame['run'].unique()))}.")
    return paper.draw(figure, ax)


def gradient_flow_figure(frame: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `gradient_flow` once per run."""
    return paper.page(lambda: described(frame), width)
