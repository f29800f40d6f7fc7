"""Gradient flow by layer name, on paper."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradflow.figures.gradient_flow import gradient_flow as described
from gradflow.plots import paper, style


def gradient_flow(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw `gradflow.figures.gradient_flow` of one run."""
    figure = described(frame)
    if frame["run"].nunique() > 1:
        raise ValueError(f"frame must hold one run; got {', '.join(map(str, frame['run'].unique()))}.")
    return paper.draw(figure, ax)


def gradient_flow_figure(frame: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `gradient_flow` once per run."""
    return paper.page(lambda: described(frame), width)
