"""Figures on paper: a description becomes axes with matplotlib, or a figure of panels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawn
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from gradflow.figures.looks import FAINT, NEUTRAL, Look, Network
from gradflow.figures.looks import looks as looks_of
from gradflow.figures.model import (
    Axis,
    Figure,
    Guide,
    Mark,
    Shape,
    drawn_values,
    edge_places,
    edges,
    is_short,
    limits,
    powers_of_two,
)
from gradflow.figures.names import shorten
from gradflow.figures.seeds import draws_bands
from gradflow.plots import panels, style
from gradflow.plots.measure import text_width
from gradflow.plots.scales import GRID, edge_handles, percent_axis, power_of_ten
from gradflow.text.words import word

Looks = Mapping[Network, Look]
BAND_ALPHA = 0.13
NAME_WIDTH = 0.13  # inches along an axis that an upright name of a layer takes; of more, some are left out evenly
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
    facet = figure.facet
    values, part = next(figure.cells(figure.facets))
    _panel(part, ax, looks or looks_of(part.rows), part.rows)
    if facet is not None and facet.titles:
        ax.set_title(facet.title(values[facet.column]))
    return style.keyed(ax, given, _handles(part))


def page(make: Callable[[], Figure], width: float = style.DOUBLE) -> Drawn:
    """Draw the figure that `make` returns as panels, one a value of its facet, at a width in inches.

    It is made here, where the language is one that there is a font for.
    """
    with style.context():
        return _page(make(), width)


def _page(figure: Figure, width: float) -> Drawn:
    facet, layout, looks = figure.facet, figure.layout, looks_of(figure.rows)
    parts = list(figure.cells((facet,) if facet else ()))
    shares_y = facet is None or facet.shares_y
    columns = min(len(parts), layout.wide if width >= panels.WIDE else layout.narrow)
    rows = -(-len(parts) // columns)
    height = rows * layout.height + panels.FRAME_HEIGHT
    drawn, grid = panels.subplots(width, height, rows, columns, sharex=True, sharey=shares_y)
    axes = list(grid.flat)[: len(parts)]
    for ax in list(grid.flat)[len(parts) :]:
        ax.remove()
    for ax, (_, part) in zip(axes, parts, strict=True):
        _panel(part, ax, looks, figure.rows if shares_y else part.rows)
    margins = panels.MARGINS._replace(**layout.margins)
    if figure.x.kind == "layers":
        longest = max(text_width(shorten(name), style.TICK_SIZE) for name in figure.x.names)
        margins = margins._replace(bottom=margins.bottom + longest)
        drawn.set_size_inches(width, height + longest)
    if facet:
        titles = [facet.title(values[facet.column]) for values, _ in parts]
        margins = panels.entitle(axes, titles, width, margins)
    panels.label_outer(axes, figure.x.short or figure.x.title, figure.y.short or ("" if facet else figure.y.title))
    for ax, (_, part) in zip(axes, parts, strict=True):
        if facet and facet.y and not shares_y:
            ax.set_ylabel(part.y.title)
    zeros, nonfinite = (bool(some.any()) for some in edges(figure.y, figure.rows))
    handles = _handles(figure)
    panels.finish(
        drawn,
        title=figure.title,
        subtitle=figure.subtitle,
        handles=[*handles, *edge_handles(zeros=zeros, nonfinite=nonfinite)],
        note=figure.note,
        margins=margins,
    )
    return drawn


def _handles(figure: Figure) -> list[Line2D]:
    """Return the legend's entries: of networks, of kinds, of marks and of guides."""
    told = figure.facet.tells if figure.facet else ""
    dots = figure.has_dots or figure.has("dots")
    handles = _own_handles(figure) if figure.looks else style.legend_handles(figure.rows, markers=dots, told=told)
    look: dict[str, Any] = {"color": NEUTRAL, "linestyle": "", "markersize": _SMALL}
    for kind, shape in (pair for mark in figure.marks for pair in mark.markers.items()):
        if (figure.rows["kind"] == kind).any():
            handles.append(Line2D([], [], marker=shape, label=word(kind), **look))
    marks = [mark for mark in figure.marks if mark.label and len(mark.chosen(figure.rows))]
    marks.sort(key=lambda mark: mark.shape == "level")
    return [*handles, *map(_mark_handle, marks), *(_guide(Line2D([], []), guide) for guide in figure.guides)]


def _mark_handle(mark: Mark) -> Line2D:
    look = mark.look or Look(NEUTRAL, "-", "o", "")
    dots = {"linestyle": "", "marker": look.marker}
    line = {"linestyle": look.linestyle, "linewidth": mark.width, "alpha": mark.opacity}
    return Line2D([], [], color=look.color, label=mark.label, **(dots if mark.shape == "dots" else line))


def _guide(line: Line2D, guide: Guide) -> Line2D:
    """Return a line with the look of a guide."""
    line.set(color=guide.look.color, linestyle=guide.look.linestyle, linewidth=guide.width, label=guide.look.label)
    return line


def _own_handles(figure: Figure) -> list[Line2D]:
    """Return an entry for each look that is drawn."""
    drawn = set(figure.rows["line"])
    looks = [look for name, look in figure.looks.items() if name in drawn]
    return [_entry(figure, look) for look in looks]


def _entry(figure: Figure, look: Look) -> Line2D:
    width, marker = style.DEPTH_LINE if figure.has("bar") else None, look.marker if figure.has_dots else ""
    line = {"linestyle": look.linestyle, "linewidth": width, "marker": marker}
    return Line2D([], [], color=look.color, label=look.label, **line)


def _panel(figure: Figure, ax: Axes, looks: Looks, scaled_by: pd.DataFrame) -> None:
    """Draw all marks of a figure, on axes that hold the rows of `scaled_by`."""
    x, rows = figure.x.column, figure.rows
    if figure.x.names:
        rows = rows.assign(**{x: rows[x].map(figure.x.names.index)})
    networks = replace(figure, rows=rows.sort_values(x, kind="stable")).lines(looks)
    for mark in figure.marks:
        lines = [(mark.look or look, found) for look, own in networks if len(found := mark.chosen(own))]
        if lines and (mark.shape != "band" or figure.looks or draws_bands(looks)):
            _MARKS[mark.shape](ax, replace(figure, rows=scaled_by), mark, lines)
    for guide in figure.guides:
        (line,) = ax.plot(guide.x, guide.y, zorder=1)
        _guide(line, guide)
    for marker, place, number in zip("vx", edge_places(figure.y, scaled_by), (0, 1), strict=True):
        for look, own in networks:
            there = own[x][edges(figure.y, own)[number]]
            if len(there):
                at = np.full(len(there), place)
                ax.plot(there, at, color=look.color, marker=marker, linestyle="", markersize=_SMALL)
    _along_x(ax, figure.x, scaled_by)
    _along_y(ax, figure.y, scaled_by)


def _line(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    """Draw a line a network: a gap wherever a value has no place, a marker where there is one value alone.

    By matplotlib: `seaborn.lineplot` joins the ends of a gap, and takes ten times as long.
    """
    axis = replace(figure.y, column=mark.column or figure.y.column)
    for look, own in networks:
        y = drawn_values(axis, own)
        marker = look.marker if mark.has_dots or y.notna().sum() == 1 else None
        size = _SMALL if mark.has_dots else None
        line = {"linestyle": look.linestyle, "marker": marker, "markersize": size, "label": look.label}
        line |= {"linewidth": mark.width, "alpha": mark.opacity}
        ax.plot(own[figure.x.column], y, color=look.color, **line)
        for kind, shape in mark.markers.items():
            of_kind = own["kind"] == kind
            if of_kind.any():
                at = own[figure.x.column][of_kind]
                ax.plot(at, y[of_kind], color=look.color, linestyle="", marker=shape, markersize=_SMALL)


def _dots(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    for look, own in networks:
        y = drawn_values(figure.y, own)
        ax.plot(own[figure.x.column], y, color=look.color, marker=look.marker, linestyle="", alpha=mark.opacity)


def _level(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    """Draw a level from edge to edge, behind what was measured."""
    look = mark.look or Look(FAINT, "-", "", "")
    ax.axhline(mark.value, color=look.color, linestyle=look.linestyle, linewidth=mark.width or 0.8, zorder=1)


def _band(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    for look, own in networks:
        x = own[figure.x.column]
        ax.fill_between(x, own["low"], own["high"], color=look.color, alpha=BAND_ALPHA, linewidth=0)


def _bar(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    """Draw bars from the foot of the axis."""
    foot = limits(figure.y, figure.rows)[0]
    for look, own in networks:
        height = drawn_values(figure.y, own) - foot
        ax.bar(own[figure.x.column], height, bottom=foot, width=0.8, color=look.color, label=look.label)


_MARKS: Mapping[Shape, Callable[[Axes, Figure, Mark, list[tuple[Look, pd.DataFrame]]], None]] = {
    "line": _line,
    "dots": _dots,
    "level": _level,
    "band": _band,
    "bar": _bar,
}


def _along_x(ax: Axes, axis: Axis, rows: pd.DataFrame) -> None:
    if axis.kind == "steps":
        ax.set_xscale("symlog", linthresh=1, linscale=0.4)
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    elif axis.kind == "doubling":
        ax.set_xscale("log", base=2)
        ax.set_xticks(powers_of_two(axis, rows))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_locator(NullLocator())
    elif axis.kind == "places":
        ax.xaxis.set_major_locator(FixedLocator(list(range(len(axis.names)))))
        ax.set_xticklabels(axis.names)
    elif axis.kind == "layers":
        room = ax.get_window_extent().width / ax.figure.dpi / NAME_WIDTH
        every = -(-len(axis.names) // max(int(room), 1))
        ax.set_xticks(range(0, len(axis.names), every), map(shorten, axis.names[::every]), rotation=90)
    elif axis.kind == "depth":
        ax.xaxis.set_major_locator(MaxNLocator(panels.X_TICKS, steps=panels.STEPS, integer=True))
    elif axis.kind == "whole":
        ax.xaxis.set_major_locator(MaxNLocator(panels.X_TICKS, integer=True, min_n_ticks=1))
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
    elif axis.kind == "fraction":
        percent_axis(ax)
    ax.grid(axis="y", color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)
    ax.set_ylim(limits(axis, rows))
    ax.set_ylabel(axis.title)


def _signed(value: float) -> str:
    return f"{value:+g}".replace("-", "−").replace("+0", "0")
