"""Figures on paper: a description becomes axes with matplotlib, or a figure of panels."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawn
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from gradflow.figures.looks import FAINT, Look, Network, each_network
from gradflow.figures.looks import looks as looks_of
from gradflow.figures.model import Axis, Figure, Mark, Shape, drawn_values, edge_places, edges, is_short, limits
from gradflow.figures.seeds import draws_bands
from gradflow.plots import panels, style
from gradflow.plots.scales import GRID, edge_handles, power_of_ten

Looks = Mapping[Network, Look]
BAND_ALPHA = 0.13
_SMALL = 3  # points of a marker on a line or an edge


def draw(figure: Figure, ax: Axes | None = None, *, looks: Looks | None = None) -> Axes:
    """Draw a figure on one pair of axes: what its facet's first value holds.

    Parameters
    ----------
    figure : Figure
    ax : Axes, optional
        The current axes by default, which then get a legend.
    looks : mapping, optional
        From `gradflow.figures.looks.looks` of a larger comparison, so that colours agree with it.
    """
    given, ax = ax, style.current_axes(ax)
    value, rows = next(iter(figure.panels().items()))
    _marks(figure, ax, rows, looks or looks_of(rows))
    _scales(figure, ax, rows)
    ax.set_title(figure.facet.title(value) if figure.facet else "")
    return style.keyed(ax, given, style.legend_handles(rows, markers=figure.has_dots))


def page(figure: Figure, width: float = style.DOUBLE) -> Drawn:
    """Draw a figure as panels, one a value of its facet, at a width in inches."""
    parts, layout, looks = figure.panels(), figure.layout, looks_of(figure.rows)
    shares_y = figure.facet is None or figure.facet.shares_y
    columns = min(len(parts), layout.wide if width >= panels.WIDE else layout.narrow)
    rows = -(-len(parts) // columns)
    with style.context():
        height = rows * layout.height + panels.FRAME_HEIGHT
        drawn, grid = panels.subplots(width, height, rows, columns, sharex=True, sharey=shares_y)
        axes = list(grid.flat)[: len(parts)]
        for ax in list(grid.flat)[len(parts) :]:
            ax.remove()
        for ax, (value, part) in zip(axes, parts.items(), strict=True):
            _marks(figure, ax, part, looks)
            _scales(figure, ax, part)
            ax.set_title(figure.facet.title(value) if figure.facet else "")
        y = (figure.y.short or figure.y.title) if shares_y else ""
        panels.label_outer(axes, figure.x.short or figure.x.title, y)
        zeros, nonfinite = (bool(some.any()) for some in edges(figure.y, figure.rows))
        panels.finish(
            drawn,
            title=figure.title,
            subtitle=figure.subtitle,
            handles=[
                *style.legend_handles(figure.rows, markers=figure.has_dots),
                *edge_handles(zeros=zeros, nonfinite=nonfinite),
            ],
            note=figure.note,
            margins=panels.MARGINS._replace(**layout.margins),
        )
    return drawn


def _scales(figure: Figure, ax: Axes, rows: pd.DataFrame) -> None:
    """Make the axes of a panel."""
    _along_x(ax, figure.x, figure.rows)
    _along_y(ax, figure.y, figure.scaled_by(rows))


def _marks(figure: Figure, ax: Axes, rows: pd.DataFrame, looks: Looks) -> None:
    """Draw the marks of some rows."""
    if figure.x.kind == "places":
        rows = rows.assign(**{figure.x.column: rows[figure.x.column].map(figure.x.names.index)})
    rows = rows.sort_values(figure.x.column, kind="stable")
    networks = list(each_network(rows, looks))
    for mark in figure.marks:
        if mark.shape == "level":
            ax.axhline(mark.value, color=FAINT, linewidth=0.8, zorder=1)
        elif mark.shape != "band" or draws_bands(looks):
            _MARKS[mark.shape](ax, figure, mark, networks)
    for marker, place, number in zip("vx", edge_places(figure.y, figure.scaled_by(rows)), (0, 1), strict=True):
        for look, own in networks:
            x = own[figure.x.column][edges(figure.y, own)[number]]
            if len(x):
                ax.plot(x, np.full(len(x), place), marker, color=look.color, markersize=_SMALL)


def _line(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    """Draw a line a network: a gap wherever a value has no place, a marker where there is one value alone.

    By matplotlib: `seaborn.lineplot` joins the ends of a gap, and takes ten times as long.
    """
    for look, own in networks:
        y = drawn_values(figure.y, own)
        marker = look.marker if mark.has_dots or y.notna().sum() == 1 else None
        size = _SMALL if mark.has_dots else None
        ax.plot(own[figure.x.column], y, color=look.color, linestyle=look.linestyle, marker=marker, markersize=size)


def _band(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    for look, own in networks:
        x = own[figure.x.column]
        ax.fill_between(x, own["low"], own["high"], color=look.color, alpha=BAND_ALPHA, linewidth=0)


_MARKS: Mapping[Shape, Callable[[Axes, Figure, Mark, list[tuple[Look, pd.DataFrame]]], None]] = {
    "line": _line,
    "band": _band,
}


def _along_x(ax: Axes, axis: Axis, rows: pd.DataFrame) -> None:
    if axis.kind == "steps":
        ax.set_xscale("symlog", linthresh=1, linscale=0.4)
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    elif axis.kind == "places":
        ax.xaxis.set_major_locator(FixedLocator(list(range(len(axis.names)))))
        ax.set_xticklabels(axis.names)
    ax.set_xlim(limits(axis, rows))
    ax.set_xlabel(axis.title)


def _along_y(ax: Axes, axis: Axis, rows: pd.DataFrame) -> None:
    if axis.kind == "log":
        ax.set_yscale("log")
        short = is_short(axis, rows)
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if short else LogLocator(numticks=6))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if short else power_of_ten(value)))
        ax.yaxis.set_minor_locator(NullLocator())
    elif axis.kind == "signed":
        ax.yaxis.set_major_locator(MaxNLocator(panels.Y_TICKS, integer=True))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _signed(value)))
    ax.grid(axis="y", color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)
    ax.set_ylim(limits(axis, rows))
    ax.set_ylabel(axis.title)


def _signed(value: float) -> str:
    return f"{value:+g}".replace("-", "−").replace("+0", "0")
