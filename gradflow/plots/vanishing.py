"""The vanishing-gradient demo on paper."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradflow.figures.vanishing import GradientMeasure
from gradflow.figures.vanishing import vanishing as described
from gradflow.plots import paper, style


def vanishing(frame: pd.DataFrame, ax: Axes | None = None, *, measure: GradientMeasure = "out_grad_norm") -> Axes:
    """Draw gradient norms relative to the last hidden layer's against layer depth, one line per setting.

    Lines that fall towards the input (left) vanish, lines that rise explode; straight ones do so by a
    constant factor per layer. Look at both measures: without bias and norm a ReLU network's weight gradients
    are equally large in every layer while its activation gradients vanish.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.vanishing_profile`.
    ax : Axes, optional
        The current axes by default; made smaller where words around them would leave their figure.
    measure : "out_grad_norm" or "grad_norm"
        Gradient with respect to the layers' outputs or to their parameters.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows of the measure.
    """
    return paper.alone(described(frame, measure), ax)


def vanishing_figure(
    frame: pd.DataFrame, width: float = style.DOUBLE, *, measure: GradientMeasure = "out_grad_norm"
) -> Figure:
    """Draw `vanishing` as a figure of the given width in inches."""
    return paper.page(lambda: described(frame, measure), width)
