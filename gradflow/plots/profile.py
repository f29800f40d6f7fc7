"""Profiles on paper."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradflow.figures.moments import require_one_step
from gradflow.figures.profile import profile as described
from gradflow.plots import paper, style


def profile(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    measure: str = "grad_norm",
    looks: Mapping[style.Network, style.Look] | None = None,
) -> Axes:
    """Draw one step of `gradflow.figures.profile`."""
    figure = described(frame, measure)
    require_one_step(frame)
    return paper.draw(figure, ax, looks=looks)


def profiles(
    frame: pd.DataFrame, width: float = style.DOUBLE, *, measure: str = "grad_norm", moment: str | None = None
) -> Figure:
    """Draw `profile` once per step."""
    return paper.page(lambda: described(frame, measure, moment=moment), width)
