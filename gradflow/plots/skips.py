"""What skips carry, and the gradient without them, on paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradflow.figures import counterfactual as variants
from gradflow.figures.contribution import SHARE
from gradflow.figures.contribution import contribution as described
from gradflow.figures.model import Figure as Described
from gradflow.figures.moments import require_one_step
from gradflow.plots import panels, paper, style


def contribution(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    measure: str = SHARE,
    looks: Mapping[style.Network, style.Look] | None = None,
) -> Axes:
    """Draw one measure of `gradflow.figures.contribution` at one step."""
    figure = described(frame, measure)
    require_one_step(frame)
    return paper.draw(figure, ax, looks=looks)


def contribution_figure(frames: Mapping[str, pd.DataFrame], width: float = style.DOUBLE, *, moment: str = "") -> Figure:
    """Draw `contribution` for each measure side by side, under each other where the figure is narrow."""
    return paper.page(lambda: described(frames, moment=moment), width)


def counterfactual(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw `gradflow.figures.counterfactual` of one network."""
    figure = variants.counterfactual(frame)
    networks = [name for facet in figure.facets for name in facet.names]
    if len(networks) > 1:
        raise ValueError(f"frame must hold one network; got {', '.join(networks)}.")
    return paper.draw(figure, ax)


def counterfactuals(frame: pd.DataFrame, width: float = style.DOUBLE, *, where: str = "") -> Figure:
    """Draw `counterfactual` once per network, on shared axes: of few enough networks, which the figure then says."""
    variants.require(frame)
    shown = panels.few_enough(frame)

    def make() -> Described:
        figure = variants.counterfactual(shown, where=where)
        notes = filter(None, (figure.note, panels.networks_note(shown, frame)))
        return replace(figure, note="\n".join(notes))

    return paper.page(make, width)
