"""What do the skip connections carry? Their share along depth, and the gradient with and without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gradflow.figures.contribution import SHARE
from gradflow.figures.contribution import contribution as described
from gradflow.figures.moments import require_one_step
from gradflow.plots import panels, paper, style
from gradflow.plots.scales import LogScale, edge_handles, log_axis
from gradflow.text import text
from gradflow.text.words import word

# Colour is free: a panel holds one network. As it is is drawn last, on top.
VARIANTS: Mapping[str, dict[str, Any]] = {
    "plain twin": {"color": "#A65085", "linestyle": (0, (1, 1.4))},
    "without branches": {"color": "#0072B2", "linestyle": (0, (6, 1.5, 1, 1.5))},
    "without skips": {"color": "#D55E00", "linestyle": (0, (4, 1.6))},
    "as it is": {"color": style.NEUTRAL, "linestyle": "-"},
}
_VARIANT_COLUMNS = ("family", "depth", "variant", "layer_depth", "mean", "low", "high", "n", "n_zero", "n_nonfinite")
_VARIANT_SOURCE = "gradflow.analysis.counterfactual_over_seeds"
_HEIGHT = 2.1  # inches of a panel


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
    return paper.page(described(frames, moment=moment), width)


def counterfactual(frame: pd.DataFrame, ax: Axes | None = None, *, scale: LogScale | None = None) -> Axes:
    """Draw one network's activation gradient as it is, without the skips' and without the branches' share.

    Backward only: what the skips (or the branches) send back is removed at every join, on the same weights and
    activations, which keep their skips. It is not the gradient of a network built without skips: that is the plain
    twin's.

    Parameters
    ----------
    frame : DataFrame
        Rows of one network from `gradflow.analysis.counterfactual_over_seeds`.
    ax : Axes, optional
        The current axes by default.
    scale : LogScale, optional
        Of axes that are shared and scaled already.

    Raises
    ------
    ValueError
        The frame lacks a column, has no rows or several networks.
    """
    style.require(frame, _VARIANT_COLUMNS, _VARIANT_SOURCE)
    if len(style.looks(frame)) > 1:
        raise ValueError(f"frame must hold one network; got {', '.join(_names(frame))}.")
    given, ax = ax, style.current_axes(ax)
    drawn = scale or _scaled(ax, frame)
    for variant, look in VARIANTS.items():
        rows = frame[frame["variant"] == variant].sort_values("layer_depth")
        if rows.empty:
            continue
        positive = rows["mean"].where(rows["mean"] > 0)
        ax.plot(rows["layer_depth"], positive, label=word(variant), **look)
        ax.fill_between(rows["layer_depth"], rows["low"], rows["high"], color=look["color"], alpha=0.13, linewidth=0)
        for marker, place, chosen in (("v", drawn.zero, rows.n_zero > 0), ("x", drawn.nonfinite, rows.n_nonfinite > 0)):
            depths = rows["layer_depth"][chosen]
            ax.plot(depths, np.full(len(depths), place), color=look["color"], marker=marker, linestyle="", markersize=3)
    ax.set_xlabel(text("figure.layer_depth_long"))
    ax.set_ylabel(text("figure.measure.out_grad_norm"))
    return style.keyed(ax, given, ax.get_legend_handles_labels()[0])


def counterfactuals(frame: pd.DataFrame, width: float = style.DOUBLE, *, where: str = "") -> Figure:
    """Draw `counterfactual` once per network, on shared axes.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.counterfactual_over_seeds`.
    width : float
        Inches.
    where : str
        Where shares were removed ("at the joins layer3.*"), if not at every join.
    """
    style.require(frame, _VARIANT_COLUMNS, _VARIANT_SOURCE)
    every, frame = frame, panels.few_enough(frame)
    networks = list(style.each_network(frame, style.looks(every)))
    with style.context():
        figure, axes = panels.panel_grid(len(networks), width, _HEIGHT)
        for ax, (_, rows) in zip(axes, networks, strict=True):
            counterfactual(rows, ax, scale=_scaled(ax, frame))
        margins = panels.entitle(axes, [look.label for look, _ in networks], width, panels.MARGINS)
        panels.label_outer(axes, text("figure.layer_depth_short"), text("figure.gradient_norm"))
        zeros, nonfinite = _edges(frame)
        drawn = set(frame["variant"])
        looks = [(variant, look) for variant, look in list(VARIANTS.items())[::-1] if variant in drawn]
        handles = [Line2D([], [], label=word(variant), **look) for variant, look in looks]
        panels.finish(
            figure,
            title=text("figure.without.title"),
            subtitle=text("figure.without.subtitle"),
            handles=[*handles, *edge_handles(zeros=zeros, nonfinite=nonfinite)],
            note="\n".join(filter(None, (_without_note(frame, where), panels.networks_note(frame, every)))),
            margins=margins,
        )
    return figure


def _without_note(frame: pd.DataFrame, where: str) -> str:
    """Return what is drawn, where shares were removed, and what a twin is if there is one."""
    seeds = style.bands_text(frame)
    note = text("figure.without.where" if where else "figure.without.note", seeds=seeds, where=where)
    return f"{note}\n{text('figure.without.twin')}" if "plain twin" in set(frame["variant"]) else note


def _scaled(ax: Axes, frame: pd.DataFrame) -> LogScale:
    zeros, nonfinite = _edges(frame)
    return log_axis(ax, frame["mean"], zeros=zeros, nonfinite=nonfinite)


def _edges(frame: pd.DataFrame) -> tuple[bool, bool]:
    """Return whether there are zeros, and non-finite norms, to be drawn on the edges."""
    return bool((frame["n_zero"] > 0).any()), bool((frame["n_nonfinite"] > 0).any())


def _names(frame: pd.DataFrame) -> list[str]:
    return [look.label for look in style.looks(frame).values()]
