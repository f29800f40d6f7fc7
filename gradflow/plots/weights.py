"""Weight growth on paper."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradflow.figures.weights import weights
from gradflow.plots import paper, style


def weight_growth(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    measure: str = "first_growth",
    looks: Mapping[style.Network, style.Look] | None = None,
) -> Axes:
    """Draw weight growth or the effective learning rate against the step, one line per network, on log axes.

    A first layer that grows by orders of magnitude in the first steps is a network that stalls.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.weight_growth_over_seeds`.
    ax : Axes, optional
        The current axes by default.
    measure : str
        What the frame holds, for the title.
    looks : mapping, optional
        From `gradflow.figures.looks.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows, or no weight norm was recorded.
    """
    return paper.draw(weights(frame, measure), ax, looks=looks)


def weight_figure(frames: Mapping[str, pd.DataFrame], width: float = style.DOUBLE) -> Figure:
    """Draw `weight_growth` for several measures."""
    return paper.page(lambda: weights(frames), width)
