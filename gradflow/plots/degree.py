"""Does the gradient's slope over depth last? First over last layer, in decades, at moments of training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from gradflow.plots import panels, style
from gradflow.plots.scales import GRID
from gradflow.text import has, text

MEASURES = ("out_grad_norm", "grad_norm", "grad_times_weight")
_END = "end"  # the moment that comes after all numbered ones
_COLUMNS = ("family", "depth", "measure", "moment", "steps", "decades", "decades_low", "decades_high", "decades_n")
_SOURCE = "gradflow.analysis.degree_over_seeds"
_PANEL_HEIGHT = 2.0  # inches


def degree(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    measure: str = "out_grad_norm",
    looks: Mapping[style.Network, style.Look] | None = None,
) -> Axes:
    """Draw the first layer's gradient over the last one's at moments of training, one line per network.

    Above 0 the gradient is larger at the input, below 0 it vanishes toward it. A line that crosses 0 is a
    network whose profile before training says nothing of the one after.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.degree_over_seeds`. Points are means over seeds, bands 95 % intervals.
    ax : Axes, optional
        The current axes by default.
    measure : str
        out_grad_norm, grad_norm or grad_times_weight.
    looks : mapping, optional
        From `gradflow.plots.style.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows of the measure.

    Notes
    -----
    Moments stand at equal distances; lines between them guide the eye. Ends of a network that have no gradient, or
    an infinite one, have no logarithm and leave a gap.
    """
    style.require(frame, _COLUMNS, _SOURCE)
    rows = per_network(frame[frame["measure"] == measure])
    style.require(rows, _COLUMNS, _SOURCE)
    given, ax = ax, style.current_axes(ax)
    places = {moment: place for place, moment in enumerate(moments(frame))}
    bands = style.draws_bands(looks or rows)
    ax.axhline(0, color=style.FAINT, linewidth=0.8, zorder=1)
    for look, own in style.each_network(rows, looks):
        own = own.assign(place=own["moment"].map(places)).sort_values("place")
        ax.plot(
            own["place"], own["decades"], color=look.color, linestyle=look.linestyle, marker=look.marker, markersize=3
        )
        if bands:
            ax.fill_between(
                own["place"], own["decades_low"], own["decades_high"], color=look.color, alpha=0.13, linewidth=0
            )
    ax.xaxis.set_major_locator(FixedLocator(list(places.values())))
    ax.set_xticklabels([moment_name(frame, moment) for moment in places])
    ax.set_xlim(-0.3, len(places) - 0.7)
    ax.yaxis.set_major_locator(MaxNLocator(panels.Y_TICKS, integer=True))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}".replace("-", "−").replace("+0", "0")))
    ax.grid(axis="y", color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)
    ax.set_xlabel(text("figure.step"))
    ax.set_ylabel(text("figure.degree.y"))
    ax.set_title(text(f"figure.degree.{measure}") if has(f"figure.degree.{measure}") else measure)
    return style.keyed(ax, given, style.legend_handles(rows, markers=True))


def degree_figure(frame: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `degree` for each measure that has decades, on shared axes.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.degree_over_seeds`.
    width : float
        Inches.
    """
    style.require(frame, _COLUMNS, _SOURCE)
    rows = per_network(frame)
    measures = [measure for measure in MEASURES if (rows.loc[rows["measure"] == measure, "decades_n"] > 0).any()]
    looks = style.looks(rows)
    with style.context():
        figure, axes = panels.panel_grid(len(measures), width, _PANEL_HEIGHT)
        for ax, measure in zip(axes, measures, strict=True):
            degree(rows, ax, measure=measure, looks=looks)
        panels.label_outer(axes, text("figure.step"), text("figure.degree.y_short"))
        panels.finish(
            figure,
            title=text("figure.degree.title"),
            subtitle=text("figure.degree.subtitle"),
            handles=style.legend_handles(rows, markers=True),
            note=text("figure.mean", seeds=style.bands_text(rows.assign(n=rows["decades_n"]))),
        )
    return figure


def per_network(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per network, measure and moment: decades are the network's, whatever the stage."""
    found = frame.drop_duplicates(["family", "depth", "measure", "moment"])
    return found.assign(decades=found["decades"].where(np.isfinite(found["decades"])))


def moments(frame: pd.DataFrame) -> list[str]:
    """Return the moments in the order of training."""
    found = set(frame["moment"])
    return sorted(found, key=lambda moment: (moment == _END, int(moment) if moment.isdigit() else 0))


def moment_name(frame: pd.DataFrame, moment: str) -> str:
    """Return the steps that stand for a moment, where all networks have the same, else the moment."""
    steps = frame.loc[frame["moment"] == moment, "steps"].unique()
    return str(steps[0]) if len(steps) == 1 and "," not in steps[0] else moment
