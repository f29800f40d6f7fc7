"""How far back in time does the gradient reach? Norms against the position in a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gradflow.analysis.variants import network_name
from gradflow.plots import panels, style
from gradflow.plots.scales import LogScale, are_too_far_apart, edge_handles, log_axis
from gradflow.text import has, text
from gradflow.text.numbers import count
from gradflow.text.words import named

_COLUMNS = ("family", "depth", "step", "layer", "tensor", "time", "mean", "low", "high", "n", "n_zero", "n_nonfinite")
_SOURCE = "gradflow.analysis.gradient_over_time_over_seeds"
_SEQUENCE = ["family", "depth", "layer", "tensor"]
MAX_SEQUENCES = 12  # lines of one figure
_PANEL_HEIGHT = 1.8  # inches
_OWN_AXES = 0.46  # inches between panels, each with its tick labels


def gradient_over_time(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    looks: Mapping[style.Network, style.Look] | None = None,
    scale: LogScale | None = None,
) -> Axes:
    """Draw one step's norms against the position in the sequence, one line per sequence, on a log axis.

    A line at a layer's input that falls towards the first position (left) is a gradient that vanishes over time: what
    happened early is hardly learnt. The line at its output says to which positions the loss sends gradient directly.

    Parameters
    ----------
    frame : DataFrame
        Rows of one step from `gradflow.analysis.gradient_over_time_over_seeds`. Lines are geometric means, bands 95 %
        intervals.
    ax : Axes, optional
        The current axes by default.
    looks : mapping, optional
        From `gradflow.plots.style.looks` of `by_sequence` of a larger comparison, so that colours agree with it.
    scale : LogScale, optional
        Of axes that are shared and scaled already.

    Raises
    ------
    ValueError
        The frame lacks a column, has no rows or several steps.

    Notes
    -----
    Positions whose norm is exactly zero are drawn on the lower edge (triangles), those with an infinite norm in any
    seed on the upper edge (crosses).
    """
    style.require(frame, _COLUMNS, _SOURCE)
    if frame.step.nunique() > 1:
        raise ValueError(f"frame must hold one step; got {', '.join(map(str, sorted(frame.step.unique())))}.")
    given, ax = ax, style.current_axes(ax)
    sequences = by_sequence(frame)
    drawn = scale or _scaled(ax, sequences)
    bands = style.draws_bands(looks or sequences)
    for look, rows in style.each_network(sequences, looks):
        rows = rows.sort_values("time")
        positive = rows["mean"].where(rows["mean"] > 0)
        marker = look.marker if positive.notna().sum() == 1 else ""
        ax.plot(rows.time, positive, color=look.color, linestyle=look.linestyle, marker=marker)
        if bands:
            ax.fill_between(rows.time, rows.low, rows.high, color=look.color, alpha=0.13, linewidth=0)
        for edge, place, chosen in (("v", drawn.zero, rows.n_zero > 0), ("x", drawn.nonfinite, rows.n_nonfinite > 0)):
            times = rows.time[chosen]
            if len(times):
                ax.plot(times, np.full(len(times), place), color=look.color, marker=edge, linestyle="", markersize=3)
    ax.xaxis.set_major_locator(MaxNLocator(panels.X_TICKS, integer=True))
    ax.set_xlabel(text("figure.times.x"))
    ax.set_ylabel(text("figure.gradient_norm"))
    return style.keyed(ax, given, style.legend_handles(sequences))


def gradient_over_time_figure(frame: pd.DataFrame, width: float = style.DOUBLE, *, moment: str | None = None) -> Figure:
    """Draw `gradient_over_time` once per step, on shared axes unless these would flatten a panel.

    Of more than twelve sequences the inputs are drawn, and of those the first twelve; the figure says so.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.gradient_over_time_over_seeds`.
    width : float
        Inches.
    moment : str, optional
        What every step is called; by default the number of updates before it.
    """
    style.require(frame, _COLUMNS, _SOURCE)
    shown = few_sequences(frame)
    sequences = by_sequence(shown)
    looks = style.looks(sequences)
    steps = sorted(shown.step.unique())
    with style.context():
        own = are_too_far_apart(rows["mean"] for _, rows in shown.groupby("step"))
        figure, axes = panels.panel_grid(len(steps), width, _PANEL_HEIGHT, sharey=not own)
        for ax, step in zip(axes, steps, strict=True):
            rows = shown[shown.step == step]
            gradient_over_time(rows, ax, looks=looks, scale=_scaled(ax, rows if own else shown))
            ax.set_title(moment or (count(int(step), "figure.after") if step else text("figure.before")))
        panels.label_outer(axes, text("figure.times.x_short"), text("figure.norm"))
        zeros, nonfinite = bool((shown.n_zero > 0).any()), bool((shown.n_nonfinite > 0).any())
        notes = [text("figure.geometric_mean", seeds=style.bands_text(sequences))]
        notes += [text("figure.own_axes")] if own else []
        n_shown, n_all = (len(rows[_SEQUENCE].drop_duplicates()) for rows in (shown, frame))
        notes += [text("figure.times.some", shown=n_shown, n=n_all)] if n_shown < n_all else []
        panels.finish(
            figure,
            title=text("figure.times.title"),
            subtitle=text("figure.times.subtitle"),
            handles=[*style.legend_handles(sequences), *edge_handles(zeros=zeros, nonfinite=nonfinite)],
            note="\n".join(notes),
            margins=panels.MARGINS._replace(columns=_OWN_AXES) if own else panels.MARGINS,
        )
    return figure


def by_sequence(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with a family for each sequence, "rnn, input", and no depth: what `style.looks` tells apart."""
    is_one = len(frame[["family", "depth"]].drop_duplicates()) == 1
    pairs = frame[_SEQUENCE].drop_duplicates()
    names = {
        (family, depth, layer, tensor): _named("" if is_one else _network(family, depth), sequence_name(layer, tensor))
        for family, depth, layer, tensor in pairs.itertuples(index=False)
    }
    keys = zip(*(frame[name] for name in _SEQUENCE), strict=True)
    return frame.assign(family=[names[key] for key in keys], depth=pd.array([pd.NA] * len(frame), dtype="Int64"))


def few_sequences(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of at most twelve sequences: all, or the first of the layers' inputs."""
    pairs = frame[_SEQUENCE].drop_duplicates()
    if len(pairs) <= MAX_SEQUENCES:
        return frame
    inputs = pairs[pairs["tensor"] == "input"]
    kept = (inputs if len(inputs) else pairs).head(MAX_SEQUENCES)
    return frame.merge(kept, on=_SEQUENCE)


def _network(family: str, depth: Any) -> str:
    return named(family if pd.isna(depth) else network_name(family, int(depth)))


def _named(network: str, sequence: str) -> str:
    return text("list.colon").join([network, sequence]) if network else sequence


def sequence_name(layer: str, tensor: str) -> str:
    """Return what a sequence is called: its layer, and whether it enters or leaves it."""
    known = text(f"tensor.{tensor}") if has(f"tensor.{tensor}") else tensor
    return text("figure.times.sequence", layer=layer, tensor=known)


def _scaled(ax: Axes, frame: pd.DataFrame) -> LogScale:
    zeros, nonfinite = bool((frame.n_zero > 0).any()), bool((frame.n_nonfinite > 0).any())
    return log_axis(ax, frame["mean"], zeros=zeros, nonfinite=nonfinite)
