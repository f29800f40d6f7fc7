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
    """Draw one measure of `gradflow.figures.degree`."""
    return paper.draw(described(frame, measure), ax, looks=looks)


def degree_figure(frame: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `degree` for each measure that has decades, on shared axes."""
    return paper.page(lambda: described(frame), width)
