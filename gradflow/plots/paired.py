"""The paired difference on paper."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from gradflow.figures.paired import paired_difference as described
from gradflow.plots import paper


def paired_difference(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the plain minus the residual error at each depth, paired by seed; one line per variant.

    An interval that excludes zero says that the families differ at that depth.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.paired_difference`.
    ax : Axes, optional
        The current axes by default; made smaller where words around them would leave their figure.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows.
    """
    return paper.alone(described(frame), ax)
