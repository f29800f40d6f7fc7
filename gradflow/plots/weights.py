"""Do weights outgrow the learning rate? Norms and effective learning rates against the step."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from gradflow.plots import panels, style
from gradflow.plots.scales import edge_handles, log_axis
from gradflow.text import has, text

_COLUMNS = ("family", "depth", "step", "mean", "low", "high", "n", "n_zero", "n_nonfinite")
_SOURCE = "gradflow.analysis.weight_growth_over_seeds"
_PANEL_HEIGHT = 2.0  # inches


def weight_growth(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    measure: str = "first_growth",
    looks: Mapping[style.Network, style.Look] | None = None,
) -> Axes:
    """Draw weight growth or the effective learning rate against the step, one line per network, on log axes.

    A first layer that grows by orders of magnitude in the first steps, while its effective learning rate
    falls by the square of that, is a network that stalls; two lines that stay level tell it from a learning
    rate that is too low.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.weight_growth_over_seeds`. Lines are geometric means, bands 95 % intervals.
    ax : Axes, optional
        The current axes by default.
    measure : str
        What the frame holds, for the title.
    looks : mapping, optional
        From `gradflow.plots.style.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows, or no weight norm was recorded.

    Notes
    -----
    The step axis is linear from 0 to 1 and logarithmic beyond. A learning rate of exactly zero, as after the
    last update of a cosine schedule, is drawn on the lower edge (triangles), non-finite values on the upper
    (crosses).
    """
    style.require(frame, _COLUMNS, _SOURCE)
    measured = frame[(frame.n > 0) | (frame.n_zero > 0) | (frame.n_nonfinite > 0)]
    style.require(measured, _COLUMNS, "gradflow.record(weights=True), which records weight norms")
    given, ax = ax, style.current_axes(ax)
    scale = log_axis(
        ax, measured["mean"], zeros=bool(measured.n_zero.any()), nonfinite=bool(measured.n_nonfinite.any())
    )
    bands = style.draws_bands(looks or frame)
    for look, rows in style.each_network(measured, looks):
        rows = rows.sort_values("step")
        ax.plot(rows.step, rows["mean"].where(rows["mean"] > 0), color=look.color, linestyle=look.linestyle)
        if bands:
            ax.fill_between(rows.step, rows.low, rows.high, color=look.color, alpha=0.13, linewidth=0)
        for marker, place, count in (("v", scale.zero, rows.n_zero), ("x", scale.nonfinite, rows.n_nonfinite)):
            steps = rows.step[count > 0]
            ax.plot(steps, [place] * len(steps), color=look.color, marker=marker, linestyle="", markersize=3)
    ax.set_xscale("symlog", linthresh=1, linscale=0.4)
    ax.set_xlim(0, max(float(measured.step.max()), 1) * 1.1)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xlabel(text("figure.step_log"))
    ax.set_title(text(f"figure.weights.{measure}") if has(f"figure.weights.{measure}") else measure)
    return style.keyed(ax, given, style.legend_handles(measured))


def weight_figure(frames: Mapping[str, pd.DataFrame], width: float = style.DOUBLE) -> Figure:
    """Draw `weight_growth` for several measures, two in a row, one if the figure is narrow.

    Parameters
    ----------
    frames : mapping
        Measure (first_growth, ...) to the frame of `gradflow.analysis.weight_growth_over_seeds`.
    width : float
        Inches.
    """
    for measure, frame in frames.items():
        style.require(frame, _COLUMNS, _SOURCE, f"frames[{measure!r}]")
    columns = min(len(frames), 2 if width >= panels.WIDE else 1)
    rows = -(-len(frames) // columns)
    with style.context():
        figure, axes = panels.subplots(width, rows * _PANEL_HEIGHT + panels.FRAME_HEIGHT, rows, columns, sharex=True)
        for ax, (measure, frame) in zip(axes.flat, frames.items(), strict=False):
            weight_growth(frame, ax, measure=measure)
        for ax in axes.flat[len(frames) :]:
            ax.remove()
        shown = pd.concat(frames.values())
        panels.label_outer(list(axes.flat[: len(frames)]), text("figure.step_log"), "")
        edges = edge_handles(zeros=bool(shown.n_zero.any()), nonfinite=bool(shown.n_nonfinite.any()))
        panels.finish(
            figure,
            title=text("figure.weights.title"),
            subtitle=text("figure.weights.subtitle"),
            handles=[*style.legend_handles(shown), *edges],
            note=text("figure.geometric_mean", seeds=style.bands_text(shown)),
            margins=panels.Margins(left=0.45, columns=0.5),
        )
    return figure
