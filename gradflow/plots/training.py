"""Does training get anywhere? Errors, or losses where there are none, against the step."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradflow.figures.looks import Look, Network
from gradflow.figures.training import errors, losses
from gradflow.plots import paper, style


def training_curve(
    frame: pd.DataFrame,
    windows: pd.DataFrame,
    ax: Axes | None = None,
    *,
    looks: Mapping[Network, Look] | None = None,
) -> Axes:
    """Draw each run's minibatch error as a thin line, and its measured training error as dots.

    Dots that fall show a network that learns; a flat line from the start, one that never did.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.training`. The training error of always answering the most frequent class is a dotted
        line, where all runs have the same.
    windows : DataFrame
        From `gradflow.analysis.window_means`; the legend names its window. A window of 1 is the raw error.
    ax : Axes, optional
        The current axes by default.
    looks : mapping, optional
        From `gradflow.figures.looks.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        A frame lacks a column, or holds no error at all.
    """
    return paper.draw(errors(frame, windows, by_depth=False), ax, looks=looks)


def training_curves(frame: pd.DataFrame, windows: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `training_curve` once per depth, and once per run that has no depth."""
    return paper.page(lambda: errors(frame, windows), width)


def loss_curve(windows: pd.DataFrame, ax: Axes | None = None, *, looks: Mapping[Network, Look] | None = None) -> Axes:
    """Draw each run's loss, for runs that recorded no error.

    A loss that falls shows a network that learns; one that leaves the finite numbers, a training that diverged.

    Parameters
    ----------
    windows : DataFrame
        From `gradflow.analysis.window_means(..., measure="loss")`.
    ax : Axes, optional
        The current axes by default.
    looks : mapping, optional
        From `gradflow.figures.looks.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        The frame lacks a column, or holds no loss.

    Notes
    -----
    The axis is logarithmic where every loss is positive, else linear. An infinite loss is a cross on top of a
    logarithmic axis.
    """
    return paper.draw(losses(windows, by_depth=False), ax, looks=looks)


def loss_curves(windows: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `loss_curve` once per depth, and once per run that has no depth."""
    return paper.page(lambda: losses(windows), width)
