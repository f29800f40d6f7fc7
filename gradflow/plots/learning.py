"""Do deeper networks fit worse all along? Training and test error against the step, as in He et al. 2015, figure 6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gradflow.figures.names import in_order
from gradflow.plots import panels, style
from gradflow.plots.scales import percent_axis
from gradflow.text import text

_COLUMNS = ("family", "depth", "step", "measure", "mean", "n")
_SOURCE = "gradflow.analysis.errors_over_seeds"
_PANEL_HEIGHT = 2.1  # inches
# Line style is the family, so that thin and faint is the training error, which the paper dashes.
_KINDS: Mapping[str, dict[str, Any]] = {
    "train_error": {"linewidth": 0.7, "alpha": 0.6},
    "test_error": {"linewidth": 1.6},
}


def learning_curve(
    frame: pd.DataFrame, ax: Axes | None = None, *, looks: Mapping[style.Network, style.Look] | None = None
) -> Axes:
    """Draw the training error (thin) and the test error (bold) of each network against the step.

    Thin lines in the wrong order, the deeper above the shallower, are degradation: the deeper network does not even
    fit the training set as well. Bold lines alone in that order are overfitting.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.errors_over_seeds`. Means over seeds; a network measured once is a point.
    ax : Axes, optional
        The current axes by default.
    looks : mapping, optional
        From `gradflow.plots.style.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows.
    """
    style.require(frame, _COLUMNS, _SOURCE)
    given, ax = ax, style.current_axes(ax)
    for look, network in style.each_network(frame, looks):
        for measure, line in _KINDS.items():
            rows = network[network["measure"] == measure].sort_values("step")
            marker = look.marker if len(rows) == 1 else ""
            ax.plot(rows["step"], rows["mean"], color=look.color, linestyle=look.linestyle, marker=marker, **line)
    percent_axis(ax)
    ax.set_ylim(0, min(1.0, 1.05 * float(frame["mean"].max()) or 1.0))
    ax.set_xlabel(text("figure.step"))
    ax.set_ylabel(text("figure.error"))
    return style.keyed(ax, given, style.legend_handles(frame))


def learning_curves(frame: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `learning_curve` once per family, on shared axes: plain left, residual right."""
    style.require(frame, _COLUMNS, _SOURCE)
    looks = style.looks(frame)
    families = in_order(frame["family"])
    with style.context():
        figure, axes = panels.panel_grid(len(families), width, _PANEL_HEIGHT)
        for ax, family in zip(axes, families, strict=True):
            learning_curve(frame[frame["family"] == family], ax, looks=looks)
            ax.set_ylim(0, min(1.0, 1.05 * float(frame["mean"].max()) or 1.0))
        margins = panels.entitle(axes, families, width, panels.MARGINS)
        panels.label_outer(axes, text("figure.step"), text("figure.error"))
        kinds = [
            Line2D([], [], color=style.NEUTRAL, label=text(f"figure.learning.{measure.removesuffix('_error')}"), **line)
            for measure, line in _KINDS.items()
            if (frame["measure"] == measure).any()
        ]
        depths = [handle for handle in style.legend_handles(frame) if handle.get_linewidth() == style.DEPTH_LINE]
        panels.finish(
            figure,
            title=text("figure.learning.title"),
            subtitle="",
            handles=[*depths, *kinds],
            note=_note(frame),
            margins=margins,
        )
    return figure


def _note(frame: pd.DataFrame) -> str:
    counts = sorted({int(n) for n in frame["n"]})
    span = str(counts[0]) if len(counts) == 1 else text("list.range", low=counts[0], high=counts[-1])
    return text("figure.learning_mean", n=span)
