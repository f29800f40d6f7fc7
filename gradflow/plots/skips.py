"""What do the skip connections carry? Their share along depth, and the gradient with and without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from gradflow.plots import panels, style
from gradflow.plots.scales import LogScale, edge_handles, log_axis, percent_axis
from gradflow.text import has, text
from gradflow.text.words import word

SHARE, RATIO = "skip_share", "branch_ratio"
_COLUMNS = ("family", "depth", "step", "order", "kind", "mean", "low", "high", "n")
_SOURCE = "gradflow.analysis.contribution_over_seeds"
# Colour is free: a panel holds one network. As it is is drawn last, on top.
VARIANTS: Mapping[str, dict[str, Any]] = {
    "plain twin": {"color": "#A65085", "linestyle": (0, (1, 1.4))},
    "without branches": {"color": "#0072B2", "linestyle": (0, (6, 1.5, 1, 1.5))},
    "without skips": {"color": "#D55E00", "linestyle": (0, (4, 1.6))},
    "as it is": {"color": style.NEUTRAL, "linestyle": "-"},
}
_MARKERS = {"identity": "o", "projection": "s", "concatenation": "^"}
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
    """Draw one measure of every residual join against its place, one line per network.

    The share tells how much of the gradient at a block's input came back through the skip: at 100 % the branch adds
    nothing, at 0 % the skip might as well not be there. |F(x)| / |x| tells forward how near the block is to the
    identity.

    Parameters
    ----------
    frame : DataFrame
        Rows of one step from `gradflow.analysis.contribution_over_seeds`. Bands are 95 % intervals.
    ax : Axes, optional
        The current axes by default.
    measure : "skip_share" or "branch_ratio"
        What the frame holds.
    looks : mapping, optional
        From `gradflow.plots.style.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        The frame lacks a column, has no rows or several steps.
    """
    style.require(frame, _COLUMNS, _SOURCE)
    if frame.step.nunique() > 1:
        raise ValueError(f"frame must hold one step; got {', '.join(map(str, sorted(frame.step.unique())))}.")
    given, ax = ax, style.current_axes(ax)
    if measure == RATIO:
        log_axis(ax, frame["mean"])
    bands = style.draws_bands(looks or frame)
    for look, rows in style.each_network(frame, looks):
        rows = rows.sort_values("order")
        place = rows["order"] + 1
        shown = rows["mean"].where(rows["mean"] > 0) if measure == RATIO else rows["mean"]
        ax.plot(place, shown, color=look.color, linestyle=look.linestyle)
        for kind, marker in _MARKERS.items():
            of_kind = rows["kind"] == kind
            ax.plot(place[of_kind], shown[of_kind], color=look.color, linestyle="", marker=marker, markersize=3)
        if bands:
            ax.fill_between(place, rows.low, rows.high, color=look.color, alpha=0.13, linewidth=0)
    if measure == SHARE:
        percent_axis(ax)
        low, high = ax.get_ylim()
        ax.set_ylim(min(low, -0.02), max(high, 1.02))
    ax.xaxis.set_major_locator(MaxNLocator(panels.X_TICKS, integer=True, min_n_ticks=1))
    ax.set_xlim(0.5, float(frame["order"].max()) + 1.5)
    ax.set_xlabel(text("figure.skips.x"))
    ax.set_ylabel(text(f"figure.skips.{measure}") if has(f"figure.skips.{measure}") else measure)
    return style.keyed(ax, given, [*style.legend_handles(frame), *_kind_handles(frame)])


def contribution_figure(frames: Mapping[str, pd.DataFrame], width: float = style.DOUBLE, *, moment: str = "") -> Figure:
    """Draw `contribution` for each measure side by side, under each other where the figure is narrow.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        Measure -> its frame.
    width : float
        Inches.
    moment : str
        When it was measured ("before training"), where there is more than one moment.
    """
    for measure, frame in frames.items():
        style.require(frame, _COLUMNS, _SOURCE, f"frames[{measure!r}]")
    count = len(frames)
    columns = count if width >= panels.WIDE else 1
    first = next(iter(frames.values()))
    looks = style.looks(first)
    gap = panels.MARGINS._replace(columns=0.75)
    with style.context():
        rows = -(-count // columns)
        figure, axes = panels.subplots(width, rows * _HEIGHT + panels.FRAME_HEIGHT, rows, columns)
        for ax, (measure, frame) in zip(axes.flat, frames.items(), strict=True):
            contribution(frame, ax, measure=measure, looks=looks)
            ax.set_title(text("figure.skips.backward" if measure == SHARE else "figure.skips.forward"))
            ax.set_xlabel("" if columns < count and ax is not axes.flat[count - 1] else ax.get_xlabel())
        panels.finish(
            figure,
            title=text("figure.skips.title"),
            subtitle=text("list.separator").join(filter(None, (moment, text("figure.skips.subtitle")))),
            handles=[*style.legend_handles(first), *_kind_handles(first)],
            note=style.bands_text(first),
            margins=gap,
        )
    return figure


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


def _kind_handles(frame: pd.DataFrame) -> list[Line2D]:
    """Return legend entries for the kinds of join that there are."""
    kinds = frame["kind"].unique()
    look: dict[str, Any] = {"color": style.NEUTRAL, "linestyle": "", "markersize": 3}
    return [
        Line2D([], [], marker=marker, label=word(kind), **look) for kind, marker in _MARKERS.items() if kind in kinds
    ]


def _names(frame: pd.DataFrame) -> list[str]:
    return [look.label for look in style.looks(frame).values()]
