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
    """Draw one measure of every residual join against its place, one line per network.

    At a share of 100 % the branch adds nothing, at 0 % the skip might as well not be there.

    Parameters
    ----------
    frame : DataFrame
        Rows of one step from `gradflow.analysis.contribution_over_seeds`. Bands are 95 % intervals.
    ax : Axes, optional
        The current axes by default.
    measure : "skip_share" or "branch_ratio"
        What the frame holds.
    looks : mapping, optional
        From `gradflow.figures.looks.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        The frame lacks a column, has no rows or several steps.
    """
    figure = described(frame, measure)
    require_one_step(frame)
    return paper.draw(figure, ax, looks=looks)


def contribution_figure(frames: Mapping[str, pd.DataFrame], width: float = style.DOUBLE, *, moment: str = "") -> Figure:
    """Draw `contribution` for each measure side by side, under each other where the figure is narrow."""
    return paper.page(lambda: described(frames, moment=moment), width)


def counterfactual(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw one network's activation gradient as it is, without the skips' and without the branches' share.

    Backward only: weights and activations keep their skips.

    Parameters
    ----------
    frame : DataFrame
        Rows of one network from `gradflow.analysis.counterfactual_over_seeds`.
    ax : Axes, optional
        The current axes by default.

    Raises
    ------
    ValueError
        The frame lacks a column, has no rows or several networks.
    """
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
