"""Errors after training against depth, on paper."""

from __future__ import annotations

from functools import partial
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradflow.figures.degradation import degradation as described
from gradflow.plots import paper, style

ErrorMeasure = Literal["train_error", "test_error"]


def degradation(
    frame: pd.DataFrame,
    over_seeds: pd.DataFrame,
    ax: Axes | None = None,
    *,
    measure: ErrorMeasure = "train_error",
    published: pd.DataFrame | None = None,
) -> Axes:
    """Draw errors after training against depth, one line per family.

    Look here first: a plain line that rises with depth while the residual one stays low is the degradation of
    He et al. 2015 (fig. 1 and 6); a test error that rises alone would be overfitting.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.degradation`: every run is a point, a cross if it diverged. The training error of always
        answering the most frequent class is a dotted line, where all runs have the same and some come near it.
    over_seeds : DataFrame
        From `gradflow.analysis.degradation_over_seeds`: lines are means, bars 95 % intervals over seeds.
    ax : Axes, optional
        The current axes by default; made smaller where words around them would leave their figure.
    measure : "train_error" or "test_error"
        Fractions; the axis shows percent.
    published : DataFrame, optional
        From `gradflow.analysis.published`: what others published, as hollow grey markers, and illustrations, as
        faint lines; never joined with what was measured. Rows of the other measure are left out.

    Raises
    ------
    ValueError
        A frame lacks a column or has no rows.
    """
    return paper.alone(described(frame, over_seeds, measures=(measure,), published=published), ax)


def degradation_figure(
    frame: pd.DataFrame,
    over_seeds: pd.DataFrame,
    differences: pd.DataFrame,
    width: float = style.DOUBLE,
    *,
    measure: ErrorMeasure = "train_error",
    published: pd.DataFrame | None = None,
) -> Figure:
    """Draw `degradation` and, where there are pairs, `paired_difference`; stacked if the figure is narrow."""
    make = partial(described, frame, over_seeds, differences, measures=(measure,), published=published)
    return paper.page(make, width)
