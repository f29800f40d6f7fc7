"""Lengths of paths on paper."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradflow.analysis.paths import PublishedLengths
from gradflow.figures.paths import Quantity
from gradflow.figures.paths import paths as described
from gradflow.plots import paper, style


def paths(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    quantity: Quantity = "share",
    published: PublishedLengths | None = None,
) -> Axes:
    """Draw one quantity by path length; for the share, mark its middle half, or published lengths, and its mean.

    A share whose bulk lies far left of half the number of blocks says that short paths carry the gradient: that
    is why a deep residual network trains like a collection of shallow ones.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.probe.paths.effective_paths`. Of a part of the lengths neither middle nor mean is known.
    ax : Axes, optional
        The current axes by default.
    quantity : "paths", "gradient" or "share"
        The first two on a log axis.
    published : PublishedLengths, optional
        Shaded in place of the middle half.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows, or the quantity is unknown.
    """
    return paper.draw(described(frame, quantity, published=published), ax)


def paths_figure(
    frame: pd.DataFrame, width: float = style.DOUBLE, *, published: PublishedLengths | None = None
) -> Figure:
    """Draw paths, gradient per path and share beside each other, or below each other if the figure is narrow."""
    return paper.page(lambda: described(frame, published=published), width)
