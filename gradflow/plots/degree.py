"""The degree of vanishing over training, on paper."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradflow.figures.degree import degree as described
from gradflow.plots import paper, style


def degree(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    measure: str = "out_grad_norm",
    looks: Mapping[style.Network, style.Look] | None = None,
) -> Axes:
    """Draw the first layer's gradient over the last one's at moments of training, one line per network.

    Above 0 the gradient is larger at the input, below 0 it vanishes toward it.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.degree_over_seeds`.
    ax : Axes, optional
        The current axes by default.
    measure : str
        out_grad_norm, grad_norm or grad_times_weight.
    looks : mapping, optional
        From `gradflow.figures.looks.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows of the measure.
    """
    return paper.draw(described(frame, measure), ax, looks=looks)


def degree_figure(frame: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `degree` for each measure that has decades, on shared axes."""
    return paper.page(lambda: described(frame), width)
