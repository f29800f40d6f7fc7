"""Do gradients vanish or explode on the way back? Norms against layer depth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gradflow.plots import panels, style
from gradflow.plots.scales import LogScale, are_too_far_apart, edge_handles, log_axis
from gradflow.text import has, text
from gradflow.text.numbers import count

_COLUMNS = ("family", "depth", "step", "layer_depth", "mean", "low", "high", "n", "n_zero", "n_nonfinite")
_SOURCE = "gradflow.analysis.profile_over_seeds"
_PANEL_HEIGHT = 1.8  # inches
_OWN_AXES = 0.46  # inches between panels, each with its tick labels


def profile(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    measure: str = "grad_norm",
    looks: Mapping[style.Network, style.Look] | None = None,
    scale: LogScale | None = None,
) -> Axes:
    """Draw one step's norms against layer depth, one line per network, on a log axis.

    A line that falls towards the input (left) is a vanishing gradient, one that rises towards it an exploding
    one.

    Parameters
    ----------
    frame : DataFrame
        Rows of one step from `gradflow.analysis.profile_over_seeds`. Lines are geometric means, bands 95 %
        intervals.
    ax : Axes, optional
        The current axes by default.
    measure : str
        What the frame holds, for the axis label.
    looks : mapping, optional
        From `gradflow.plots.style.looks` of a larger comparison, so that colours agree with it.
    scale : LogScale, optional
        Of axes that are shared and scaled already.

    Raises
    ------
    ValueError
        The frame lacks a column, has no rows or several steps.

    Notes
    -----
    Layers whose norms are all exactly zero are drawn on the lower edge (triangles), layers with a NaN or
    infinite norm in any seed on the upper edge (crosses). Layers that were not measured leave a gap.
    """
    style.require(frame, _COLUMNS, _SOURCE)
    if frame.step.nunique() > 1:
        raise ValueError(f"frame must hold one step; got {', '.join(map(str, sorted(frame.step.unique())))}.")
    given, ax = ax, style.current_axes(ax)
    drawn = scale or _scaled(ax, frame)
    bands = style.draws_bands(looks or frame)
    for look, rows in style.each_network(frame, looks):
        rows = rows.sort_values("layer_depth")
        positive = rows["mean"].where(rows["mean"] > 0)
        marker = look.marker if positive.notna().sum() == 1 else ""
        ax.plot(rows.layer_depth, positive, color=look.color, linestyle=look.linestyle, marker=marker)
        if bands:
            ax.fill_between(rows.layer_depth, rows.low, rows.high, color=look.color, alpha=0.13, linewidth=0)
        _edges(ax, rows, drawn, look.color)
    ax.set_xlabel(text("figure.layer_depth_long"))
    ax.set_ylabel(measure_name(measure))
    return style.keyed(ax, given, style.legend_handles(frame))


def profiles(
    frame: pd.DataFrame, width: float = style.DOUBLE, *, measure: str = "grad_norm", moment: str | None = None
) -> Figure:
    """Draw `profile` once per step, on shared axes unless these would span more than 20 decades and flatten a panel.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.profile_over_seeds`.
    width : float
        Inches.
    measure : str
        What the frame holds, for the labels.
    moment : str, optional
        What every step is called; by default the number of updates before it.
    """
    style.require(frame, _COLUMNS, _SOURCE)
    looks = style.looks(frame)
    steps = sorted(frame.step.unique())
    with style.context():
        own = are_too_far_apart(rows["mean"] for _, rows in frame.groupby("step"))
        figure, axes = panels.panel_grid(len(steps), width, _PANEL_HEIGHT, sharey=not own)
        for ax, step in zip(axes, steps, strict=True):
            rows = frame[frame.step == step]
            scale = _scaled(ax, rows if own else frame)
            profile(rows, ax, measure=measure, looks=looks, scale=scale)
            ax.set_title(moment or _moment(int(step)))
        panels.label_outer(axes, text("figure.layer_depth_short"), text("figure.norm"))
        note = text("figure.geometric_mean", seeds=style.bands_text(frame))
        panels.finish(
            figure,
            title=text("figure.profile.title"),
            subtitle=measure_name(measure),
            handles=[*style.legend_handles(frame), *_edge_legend(frame)],
            note=f"{note}\n{text('figure.own_axes')}" if own else note,
            margins=panels.MARGINS._replace(columns=_OWN_AXES) if own else panels.MARGINS,
        )
    return figure


def measure_name(measure: str) -> str:
    """Return what a measure is called on an axis; one that has no name in the catalogue keeps its own."""
    return text(f"figure.measure.{measure}") if has(f"figure.measure.{measure}") else measure


def _moment(step: int) -> str:
    return count(step, "figure.after") if step else text("figure.before")


def _scaled(ax: Axes, frame: pd.DataFrame) -> LogScale:
    return log_axis(ax, frame["mean"], zeros=bool(_zero(frame).any()), nonfinite=bool(frame.n_nonfinite.any()))


def _edge_legend(frame: pd.DataFrame) -> list[Line2D]:
    return edge_handles(zeros=bool(_zero(frame).any()), nonfinite=bool(frame.n_nonfinite.any()))


def _zero(frame: pd.DataFrame) -> pd.Series[bool]:
    return frame.n_zero > 0


def _edges(ax: Axes, rows: pd.DataFrame, scale: LogScale, color: str) -> None:
    """Mark layers with zeros on the lower edge and layers with non-finite norms on the upper one."""
    for marker, place, chosen in (("v", scale.zero, _zero(rows)), ("x", scale.nonfinite, rows.n_nonfinite > 0)):
        depths = rows.layer_depth[chosen]
        if len(depths):
            ax.plot(depths, np.full(len(depths), place), color=color, marker=marker, linestyle="", markersize=3)
