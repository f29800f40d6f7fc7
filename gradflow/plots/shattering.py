"""Do gradients of different inputs agree? Their correlation by depth, by layer, and along a line of inputs."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradflow.figures import autocorrelation as lags
from gradflow.figures import shattering as depths
from gradflow.figures.looks import Look, Network
from gradflow.figures.shattering_layers import shattering_layers as of_layers
from gradflow.plots import paper, style


def shattering(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the correlation between the gradients of different inputs against the depth of the network.

    Look at it to tell a network whose gradients hold (a line that falls slowly, a power law) from one whose
    gradients shatter (at 0 after a few layers: what one example teaches says nothing about the next).

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.shattering.shattering_by_depth`. Bands are 95 % intervals.
    ax : Axes, optional
        The current axes by default.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows.
    """
    return paper.draw(depths.shattering(frame), ax)


def shattering_layers(
    frame: pd.DataFrame, ax: Axes | None = None, *, looks: Mapping[Network, Look] | None = None
) -> Axes:
    """Draw the correlation between the gradients of different inputs against the layers that they have come through.

    It shows where in a network the gradients fall apart.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.shattering.shattering_by_layer`. Bands are 95 % intervals.
    ax : Axes, optional
        The current axes by default.
    looks : mapping, optional
        From `gradflow.figures.looks.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows.
    """
    return paper.draw(of_layers(frame), ax, looks=looks)


def autocorrelation(
    frame: pd.DataFrame, ax: Axes | None = None, *, looks: Mapping[Network, Look] | None = None
) -> Axes:
    """Draw the autocorrelation of the input gradient along a line of inputs, beside that of brown and white noise.

    A gradient that is like brown noise can be followed from one input to the next; one that is like white noise
    cannot.

    Parameters
    ----------
    frame : DataFrame
        Rows of one norm from `gradflow.analysis.shattering.autocorrelation_by_lag`. Bands are 95 % intervals.
    ax : Axes, optional
        The current axes by default.
    looks : mapping, optional
        From `gradflow.figures.looks.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        The frame lacks a column, has no rows, or several norms.
    """
    figure = lags.autocorrelation(frame)
    if frame["norm"].nunique() > 1:
        raise ValueError(f"frame must hold one norm; got {', '.join(map(repr, sorted(frame['norm'].unique())))}.")
    return paper.draw(figure, ax, looks=looks)


def shattering_figure(frame: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `shattering` as a figure of the given width in inches."""
    return paper.page(lambda: depths.shattering(frame), width)


def shattering_layers_figure(frame: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `shattering_layers` as a figure of the given width in inches."""
    return paper.page(lambda: of_layers(frame), width)


def autocorrelation_figure(frame: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `autocorrelation` once per norm, on shared axes."""
    return paper.page(lambda: lags.autocorrelation(frame), width)
