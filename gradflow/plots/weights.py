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
    """Draw one measure of `gradflow.figures.weights`."""
    return paper.draw(weights(frame, measure), ax, looks=looks)


def weight_figure(frames: Mapping[str, pd.DataFrame], width: float = style.DOUBLE) -> Figure:
    """Draw `weight_growth` for several measures."""
    return paper.page(lambda: weights(frames), width)
