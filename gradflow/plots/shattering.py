"""Do gradients of different inputs agree? Their correlation by depth, by layer, and along a line of inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from gradflow.figures.names import short_names, shorten
from gradflow.figures.shattering_layers import shattering_layers as of_layers
from gradflow.plots import panels, paper, style
from gradflow.plots.scales import GRID
from gradflow.text import text
from gradflow.text.words import word
from gradflow.theory import shattering as theory

COLUMNS = ("family", "norm", "depth", "mean", "low", "high", "n", "predicted")
LAG_COLUMNS = ("family", "norm", "depth", "lag", "mean", "low", "high", "n", "points")
_SOURCE = "gradflow.analysis.shattering.shattering_by_depth"
_LAG_SOURCE = "gradflow.analysis.shattering.autocorrelation_by_lag"
# Depth is the abscissa, so colour is free: it tells the norm, in two of Okabe and Ito's colours above 3 : 1 on white.
NORM_COLORS: Mapping[str, str] = {"": "#D55E00", "batch": "#0072B2"}
MOST_TICKS = 8
HEIGHT, PANEL_HEIGHT = 2.5, 1.9  # inches
_MARGINS = panels.MARGINS._replace(top=0.08)  # no panel titles
_FORM: dict[str, Any] = {"color": "#101010", "linestyle": (0, (1, 1.5)), "linewidth": 1.1}
_NOISE: Mapping[str, dict[str, Any]] = {
    "brown": {"color": style.FAINT, "linestyle": (0, (5, 1, 1, 1)), "linewidth": 1.0},
    "white": {"color": style.FAINT, "linestyle": (0, (1, 1)), "linewidth": 1.0},
}


def shattering(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the correlation between the gradients of different inputs against the depth of the network.

    Look at it to tell a network whose gradients hold (a line that falls slowly, a power law) from one whose
    gradients shatter (at 0 after a few layers: what one example teaches says nothing about the next).

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.shattering.shattering_by_depth`.
    ax : Axes, optional
        The current axes by default.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows.
    """
    style.require(frame, COLUMNS, _SOURCE)
    given, ax = ax, style.current_axes(ax)
    depths = sorted(int(depth) for depth in frame["depth"].unique())
    names = short_names(frame["family"])
    for (family, norm), rows in frame.groupby(["family", "norm"], sort=False):
        label = text("list.separator").join([names[str(family)], shorten(norm_name(str(norm)))])
        look = style.family_style(str(family), frame["family"])
        _draw(ax, rows.sort_values("depth"), look, str(norm), label)
    ax.set_xscale("log", base=2)
    powers = 2.0 ** np.arange(np.floor(np.log2(depths[0])), np.ceil(np.log2(depths[-1])) + 1)
    ax.set_xticks(powers[:: -(-len(powers) // MOST_TICKS)])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(-0.05, 1.0)
    _grid(ax)
    ax.set_xlabel(text("figure.shattering.x"))
    ax.set_ylabel(text("figure.shattering.y"))
    ax.set_title(text("shattering.title"))
    return style.keyed(ax, given, _handles(frame))


def shattering_layers(
    frame: pd.DataFrame, ax: Axes | None = None, *, looks: Mapping[style.Network, style.Look] | None = None
) -> Axes:
    """Draw the correlation between the gradients of different inputs against the layers that they have come through.

    It shows where in a network the gradients fall apart.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.shattering.shattering_by_layer`. Bands are 95 % intervals.
    ax : Axes, optional
        The current axes by default.
    looks : mapping, optional
        From `gradflow.figures.looks.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows.
    """
    return paper.draw(of_layers(frame), ax, looks=looks)


def autocorrelation(
    frame: pd.DataFrame, ax: Axes | None = None, *, looks: Mapping[style.Network, style.Look] | None = None
) -> Axes:
    """Draw the autocorrelation of the input gradient along a line of inputs, beside that of brown and white noise.

    A gradient that is like brown noise can be followed from one input to the next; one that is like white noise
    cannot.

    Parameters
    ----------
    frame : DataFrame
        Rows of one norm from `gradflow.analysis.shattering.autocorrelation_by_lag`.
    ax : Axes, optional
        The current axes by default.
    looks : mapping, optional
        From `gradflow.plots.style.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        The frame lacks a column, has no rows, or several norms.
    """
    style.require(frame, LAG_COLUMNS, _LAG_SOURCE)
    if frame["norm"].nunique() > 1:
        raise ValueError(f"frame must hold one norm; got {', '.join(map(repr, sorted(frame['norm'].unique())))}.")
    given, ax = ax, style.current_axes(ax)
    points, lags = int(frame["points"].max()), int(frame["lag"].max())
    bands = style.draws_bands(looks or frame)
    for look, rows in style.each_network(frame, looks):
        rows = rows.sort_values("lag")
        ax.plot(rows["lag"], rows["mean"], color=look.color, linestyle=look.linestyle, label=look.label)
        if bands:
            ax.fill_between(rows["lag"], rows["low"], rows["high"], color=look.color, alpha=0.13, linewidth=0)
    lag = np.arange(lags + 1)
    ax.plot(lag, theory.brown_noise(points, lags), label=text("figure.noise.brown"), zorder=1, **_NOISE["brown"])
    ax.plot(lag, theory.white_noise(points, lags), label=text("figure.noise.white"), zorder=1, **_NOISE["white"])
    ax.set_ylim(-0.2, 1.05)
    _grid(ax)
    ax.set_xlabel(text("figure.autocorrelation.x"))
    ax.set_ylabel(text("figure.autocorrelation.y"))
    return style.keyed(ax, given, ax.get_legend_handles_labels()[0])


def shattering_figure(frame: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `shattering` as a figure of the given width in inches."""
    style.require(frame, COLUMNS, _SOURCE)
    with style.context():
        figure, axes = panels.subplots(width, HEIGHT + panels.FRAME_HEIGHT)
        ax = shattering(frame, axes.flat[0])
        title = ax.get_title(loc="left")
        ax.set_title("")
        note = text("figure.mean", seeds=style.seeds_text(frame["n"]))
        panels.finish(figure, title=title, subtitle="", handles=_handles(frame), note=note, margins=_MARGINS)
    return figure


def shattering_layers_figure(frame: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `shattering_layers` as a figure of the given width in inches."""
    return paper.page(lambda: of_layers(frame), width)


def autocorrelation_figure(frame: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `autocorrelation` once per norm, on shared axes."""
    style.require(frame, LAG_COLUMNS, _LAG_SOURCE)
    looks = style.looks(frame)
    norms = sorted(frame["norm"].unique())
    with style.context():
        figure, axes = panels.panel_grid(len(norms), width, PANEL_HEIGHT)
        for ax, norm in zip(axes, norms, strict=True):
            autocorrelation(frame[frame["norm"] == norm], ax, looks=looks)
            ax.set_title(shorten(norm_name(norm)))
        panels.label_outer(axes, text("figure.autocorrelation.x"), text("figure.autocorrelation.y"))
        noise = [Line2D([], [], label=text(f"figure.noise.{name}"), **look) for name, look in _NOISE.items()]
        panels.finish(
            figure,
            title=text("figure.autocorrelation.title"),
            subtitle=text("figure.autocorrelation.subtitle"),
            handles=[*style.legend_handles(frame), *noise],
            note=text("figure.mean", seeds=style.bands_text(frame)),
        )
    return figure


def _draw(ax: Axes, rows: pd.DataFrame, line: style.FamilyStyle, norm: str, label: str) -> None:
    """Draw one kind of network: its mean, its interval and its closed form."""
    color = NORM_COLORS.get(norm, style.NEUTRAL)
    depth = rows["depth"].astype("float64")
    ax.fill_between(depth, rows["low"], rows["high"], color=color, alpha=0.2, linewidth=0)
    ax.plot(depth, rows["mean"], color=color, linestyle=line.linestyle, marker=line.marker, label=label)
    if rows["predicted"].notna().any():
        ax.plot(depth, rows["predicted"], zorder=4, **_FORM)


def norm_name(norm: str) -> str:
    """Return what a norm is called, "batch norm", and that there is none."""
    return word(f"{norm or 'no'} norm")


def _handles(frame: pd.DataFrame) -> list[Line2D]:
    handles = []
    names = short_names(frame["family"])
    for family, norm in frame[["family", "norm"]].drop_duplicates().itertuples(index=False):
        line = style.family_style(str(family), frame["family"])
        color = NORM_COLORS.get(str(norm), style.NEUTRAL)
        label = text("list.separator").join([names[str(family)], shorten(norm_name(str(norm)))])
        handles.append(Line2D([], [], color=color, linestyle=line.linestyle, marker=line.marker, label=label))
    if frame["predicted"].notna().any():
        handles.append(Line2D([], [], label=text("head.closed_form"), **_FORM))
    return handles


def _grid(ax: Axes) -> None:
    ax.grid(axis="y", color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)
