"""Do deeper networks fit worse all along? Training and test error against the step, as in He et al. 2015, figure 6."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradflow.figures.learning import learning
from gradflow.figures.looks import Look, Network
from gradflow.plots import paper, style


def learning_curve(frame: pd.DataFrame, ax: Axes | None = None, *, looks: Mapping[Network, Look] | None = None) -> Axes:
    """Draw the training error (thin) and the test error (bold) of each network against the step.

    Thin lines in the wrong order, the deeper above the shallower, are degradation: the deeper network does not even
    fit the training set as well. Bold lines alone in that order are overfitting.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.errors_over_seeds`. Means over seeds; a network measured once is a point.
    ax : Axes, optional
        The current axes by default.
    looks : mapping, optional
        From `gradflow.figures.looks.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows.
    """
    return paper.draw(learning(frame, by_family=False), ax, looks=looks)


def learning_curves(frame: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `learning_curve` once per family, on shared axes: plain left, residual right."""
    return paper.page(lambda: learning(frame), width)
