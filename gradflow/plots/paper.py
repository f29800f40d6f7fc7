"""Figures on paper: a description becomes axes with matplotlib, or a figure of panels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure as Drawn
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from gradflow.figures.looks import FAINT, NEUTRAL, Look, Network, Palette, family_style, recolored
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
    intervals,
    is_short,
    limits,
    powers_of_two,
)
from gradflow.figures.names import LABEL_LENGTH, in_order, short_names, shorten
from gradflow.figures.seeds import draws_bands
from gradflow.plots import panels, style
from gradflow.plots.measure import text_width, wrapped
from gradflow.text import text
from gradflow.text.words import word

Looks = Mapping[Network, Look]
GRID = "#e6e6e6"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
BAND_ALPHA = 0.13
NAME_WIDTH = 0.13  # inches along an axis that an upright name of a layer takes; of more, some are left out evenly
ROW_LENGTH, _MIN_ROW_LENGTH = 16, 4  # characters of a row's name, where panels stand beside each other and at least
_ROW_SHARE = 0.45  # of a figure's width for the names of rows, at most
_ROW_GAP, _ROW_PANEL = 0.12, 1.0  # inches beside them, and of the narrowest panel beside names
_SMALL, _RING, _LARGE = 3, 4, 6  # points of a marker on a line or an edge, of a hollow one, of one of few
_RANGE_WIDTH, _RANGE_ALPHA = 2.4, 0.35
TICK_LENGTH = 14  # characters of a tick's name
_TICK_GAP = 0.09  # inches between the names of two ticks
_CAP = 3  # points of an interval's caps, on either side
_X_VALUES = 3  # intervals between ticks of values along a horizontal axis, at most
_PANEL_FRAME = 0.7  # inches of a panel's height for words, at most
_ABOVE_LEGEND = 0.6  # of the height of axes, for the words beside them, where a legend takes some of it
_RING_EVERY = 3  # values between two of them


def draw(
    figure: Figure,
    ax: Axes | None = None,
    *,
    looks: Looks | None = None,
    palette: Palette | None = None,
    title: str | None = None,
) -> Axes:
    """Draw a figure on one pair of axes: the current ones by default, which then get a legend.

    Parameters
    ----------
    figure : Figure
    ax : Axes, optional
    looks : mapping, optional
        From `gradflow.figures.looks.looks` of a larger comparison, so that colours agree with it.
    palette : str or sequence of str, optional
        Other colours.
    title : str, optional
        Another title.

    Raises
    ------
    ValueError
        Its facet has several values, which one pair of axes cannot tell apart.
    """
    given, ax = ax, style.current_axes(ax)
    facet = figure.facet
    if facet is not None and len(facet.names) > 1:
        found = ", ".join(facet.names)
        raise ValueError(f"what is drawn on one pair of axes must hold one {facet.column}; got {found}.")
    values, part = next(figure.cells(figure.facets))
    part, chosen = _colored(part, looks, palette)
    _panel(part, ax, chosen, part.rows)
    if title is None and facet is not None and facet.titles:
        title = facet.title(values[facet.column])
    if title is not None:
        ax.set_title(title)
    if figure.y.kind != "rows":  # which say their names
        style.keyed(ax, given, _handles(part, chosen, [part]))
    return panels.keep_inside(ax)


def alone(
    figure: Figure,
    ax: Axes | None = None,
    *,
    looks: Looks | None = None,
    palette: Palette | None = None,
    title: str | None = None,
) -> Axes:
    """Draw a figure as `draw` does, always with its note, its legend under that, and all words in their figure."""
    ax = draw(figure, style.current_axes(ax), looks=looks, palette=palette, title=title)
    ax.set_xlabel("\n".join(filter(None, (figure.x.title, figure.note))))
    part, chosen = _colored(next(figure.cells(figure.facets))[1], looks, palette)
    if handles := _handles(part, chosen, [part]):
        panels.axes_legend(ax, handles)
    panels.keep_inside(ax)
    size = float(ax.yaxis.label.get_fontsize())
    ax.set_ylabel(wrapped(ax.get_ylabel(), _room_beside(ax) / ax.figure.dpi, size))
    panels.keep_inside(ax)
    if figure.x.ticks:  # fewer of them fit now
        _put_ticks(ax, figure.x)
    return ax


def _room_beside(ax: Axes) -> float:
    """Return the pixels along which words in the middle beside axes are in their figure.

    A layout that is still to come makes the axes smaller, by the legend.
    """
    box = ax.get_window_extent()
    if ax.figure.get_layout_engine() is not None:
        return _ABOVE_LEGEND * float(box.height)
    return float(min(box.y0 + box.y1, 2 * ax.figure.bbox.y1 - box.y0 - box.y1))


def page(
    make: Callable[[], Figure],
    width: float = style.DOUBLE,
    *,
    palette: Palette | None = None,
    title: str | None = None,
    sharey: bool | None = None,
) -> Drawn:
    """Draw the figure that `make` returns as panels, one a value of its facet, at a width in inches.

    It is made here, where the language is one that there is a font for.
    """
    with style.context():
        figure = make()
        if title is not None:
            figure = replace(figure, title=title)
        if sharey is not None:
            figure = replace(figure, facets=tuple(replace(facet, shares_y=sharey) for facet in figure.facets))
        return _page(*_colored(figure, None, palette), width)


def _colored(figure: Figure, looks: Looks | None, palette: Palette | None) -> tuple[Figure, Looks]:
    """Return the figure, and how its networks look, in other colours where asked for."""
    looks = looks or _networks(figure)
    if palette is None:
        return figure, looks
    return replace(figure, looks=recolored(figure.looks, palette)), recolored(looks, palette)


def _page(figure: Figure, looks: Looks, width: float) -> Drawn:
    facet, layout = figure.facet, figure.layout
    parts = list(figure.cells((facet,) if facet else ()))
    shares_y = facet is None or facet.shares_y
    columns = min(len(parts), layout.wide if width >= panels.WIDE else layout.narrow)
    margins = panels.MARGINS._replace(**layout.margins)
    if figure.y.kind == "rows":
        row_names = _row_names(figure, _ROW_SHARE * width)
        longest = max(text_width(name, style.TICK_SIZE) for name in row_names)
        margins = margins._replace(left=_ROW_GAP + longest)
        room = width - margins.left - margins.right + margins.columns
        columns = min(columns, max(1, int(room / (_ROW_PANEL + margins.columns))))
    rows = -(-len(parts) // columns)
    height = rows * layout.height + panels.FRAME_HEIGHT
    has_own_x = facet is not None and bool(facet.x)
    drawn, grid = panels.subplots(width, height, rows, columns, sharex=not has_own_x, sharey=shares_y)
    axes = list(grid.flat)[: len(parts)]
    for ax in list(grid.flat)[len(parts) :]:
        ax.remove()
    for ax, (_, part) in zip(axes, parts, strict=True):
        _panel(part, ax, looks, figure.rows if shares_y and not has_own_x else part.rows)
        if figure.y.kind == "rows":
            ax.set_yticklabels(row_names)
    if figure.x.kind == "layers":
        longest = max(text_width(shorten(name), style.TICK_SIZE) for name in figure.x.names)
        margins = margins._replace(bottom=margins.bottom + longest)
        drawn.set_size_inches(width, height + longest)
    if facet:
        titles = [facet.title(values[facet.column]) for values, _ in parts]
        margins = panels.entitle(axes, titles, width, margins)
    ylabel = figure.y.short or ("" if facet and facet.y else figure.y.title)
    if ylabel:
        ylabel = wrapped(ylabel, layout.height - _PANEL_FRAME, style.FONT_SIZE)
    margins = margins._replace(left=margins.left + panels.LINE_HEIGHT * ylabel.count("\n"))
    panels.label_outer(axes, figure.x.short or figure.x.title, ylabel)
    for ax, (values, part) in zip(axes, parts, strict=True):
        if has_own_x:
            ax.set_xlabel(part.x.title)
        if facet and facet.y and not shares_y:  # said once, over the panel or beside it
            ax.set_ylabel("" if part.y.title == facet.title(values[facet.column]) else part.y.title)
    panels.finish(
        drawn,
        title=figure.title,
        subtitle=figure.subtitle,
        handles=_handles(figure, looks, [part for _, part in parts]),
        note=figure.note,
        margins=margins,
    )
    return drawn


def _networks(figure: Figure) -> Looks:
    return {} if figure.looks else figure.networks or looks_of(figure.rows)


def _handles(figure: Figure, looks: Looks, parts: Sequence[Figure]) -> list[Line2D]:
    """Return the legend's entries: of networks, of kinds, of marks, of guides and of the edges of any part."""
    told = figure.facet.tells if figure.facet else ""
    if figure.looks:
        handles = _own_handles(figure)
    elif figure.y.kind == "rows":
        handles = _family_handles(figure.rows)
    else:
        dots = figure.has_dots or figure.has("dots") or figure.has("interval")
        drawn = {network: looks.get(network, look) for network, look in _networks(figure).items()}
        handles = style.legend_handles(drawn, markers=dots, told=told)
    look: dict[str, Any] = {"color": NEUTRAL, "linestyle": "", "markersize": _SMALL}
    for kind, shape in (pair for mark in figure.marks for pair in mark.markers.items()):
        if (figure.rows["kind"] == kind).any():
            handles.append(Line2D([], [], marker=shape, label=word(kind), **look))
    marks = sorted(figure.marks, key=lambda mark: mark.shape == "level")
    handles += [handle for mark in marks for handle in _mark_handles(mark, mark.chosen(figure.rows))]
    handles += [_guide(Line2D([], []), guide) for guide in figure.guides]
    found = zip(*(edges(part.values, part.rows) for part in parts), strict=True)
    zeros, nonfinite = (any(there.any() for there in kind) for kind in found)
    return [*handles, *edge_handles(zeros=zeros, nonfinite=nonfinite)]


def edge_handles(*, zeros: bool, nonfinite: bool) -> list[Line2D]:
    """Return legend entries that say where a log axis draws zeros and non-finite values, if there are any."""
    found = [("v", "zero")] * zeros + [("x", "nonfinite")] * nonfinite
    return [
        Line2D([], [], color=NEUTRAL, linestyle="", marker=marker, label=text(f"figure.edge.{kind}"))
        for marker, kind in found
    ]


def _mark_handles(mark: Mark, rows: pd.DataFrame) -> list[Line2D]:
    """Return the entry of a mark, or of each look of its own that is drawn; one where several have a name."""
    looks = [mark.looks[name] for name in sorted(map(str, rows[mark.joins].unique()))] if mark.looks else []
    if mark.label and len(rows):
        looks.append((mark.look or Look(NEUTRAL, "-", "o", ""))._replace(label=mark.label))
    named = {look.label: look._replace(color=look.color or NEUTRAL) for look in looks if look.label}
    return [_mark_handle(mark, look) for look in named.values()]


def _mark_handle(mark: Mark, look: Look) -> Line2D:
    if mark.shape in ("dots", "seeds"):
        line: dict[str, Any] = {"linestyle": "", **_dot(look, mark)}
    elif mark.shape == "span":
        line = {"color": look.color, "linewidth": _LARGE, "alpha": _opacity(mark)}
    else:
        line = _stroke(look, mark) | ({"marker": look.marker} if mark.joins else {})
    return Line2D([], [], label=look.label, **line)


def _guide(line: Line2D, guide: Guide) -> Line2D:
    """Return a line with the look of a guide."""
    line.set(color=guide.look.color, linestyle=guide.look.linestyle, linewidth=guide.width, label=guide.look.label)
    if guide.look.marker:  # rings between the dots of what was measured
        line.set(marker=guide.look.marker, markersize=_RING, markerfacecolor="white", markeredgewidth=0.9)
        line.set(markevery=(1, _RING_EVERY), zorder=5)
    return line


def _family_handles(rows: pd.DataFrame) -> list[Line2D]:
    """Return an entry for the marker of each family; depths are named in the rows."""
    families = in_order(rows["family"])
    labels = short_names(families)
    markers = {labels[family]: family_style(family, families).marker for family in families}
    return [Line2D([], [], linestyle="", marker=marker, color=NEUTRAL, label=name) for name, marker in markers.items()]


def _own_handles(figure: Figure) -> list[Line2D]:
    """Return an entry for each look that is drawn and has a name."""
    drawn = set(figure.rows["line"])
    looks = [look for name, look in figure.looks.items() if name in drawn and look.label]
    labels = short_names(look.label for look in looks)
    return [_entry(figure, look._replace(label=labels[look.label])) for look in looks]


def _entry(figure: Figure, look: Look) -> Line2D:
    if figure.has("bar"):
        return Line2D([], [], color=look.color, linewidth=style.DEPTH_LINE, label=look.label)
    line = next((mark for mark in figure.marks if mark.shape == "line" and not mark.look), Mark("line"))
    return Line2D([], [], label=look.label, **_stroke(look, line))


def _panel(figure: Figure, ax: Axes, looks: Looks, scaled_by: pd.DataFrame) -> None:
    """Draw all marks of a figure, on axes that hold the rows of `scaled_by`."""
    x, rows = figure.x.column, figure.rows
    for axis in (figure.x, figure.y):
        if axis.names:
            rows = rows.assign(**{axis.column: rows[axis.column].map(axis.names.index)})
    figure = replace(figure, rows=rows.sort_values(x, kind="stable"))
    for mark in figure.marks:
        lines = figure.of_mark(mark, looks)
        if lines and (mark.shape != "band" or figure.looks or draws_bands(looks)):
            draw_mark = _on_rows if figure.y.kind == "rows" and mark.shape != "level" else _MARKS[mark.shape]
            draw_mark(ax, replace(figure, rows=scaled_by), mark, lines)
    for guide in figure.guides:
        (line,) = ax.plot(guide.x, guide.y, zorder=1)
        _guide(line, guide)
    if figure.values.kind == "log":
        _edges(ax, figure, looks, scaled_by)
    _along_x(ax, figure.x, scaled_by)
    _along_y(ax, figure, scaled_by)


def _edges(ax: Axes, figure: Figure, looks: Looks, scaled_by: pd.DataFrame) -> None:
    """Draw zeros at the foot of a log axis, and values that are not finite on top."""
    places, found = edge_places(figure.values, scaled_by), edges(figure.values, figure.rows)
    for marker, place, number in zip("vx", places, (0, 1), strict=True):
        for look, own in figure.lines(looks) if found[number].any() else ():
            there = own[figure.x.column][edges(figure.values, own)[number]]
            if len(there):
                at = np.full(len(there), place)
                ax.plot(there, at, color=look.color, marker=marker, linestyle="", markersize=_SMALL)


def _line(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    """Draw a line a network: a gap wherever a value has no place, a marker where there is one value alone.

    By matplotlib: `seaborn.lineplot` joins the ends of a gap, and takes ten times as long.
    """
    axis = replace(figure.y, column=mark.column or figure.y.column)
    for look, own in networks:
        y = drawn_values(axis, own)
        stroke = _stroke(look, mark, len(own))
        if y.notna().sum() == 1 and mark.look is None and not mark.looks:
            stroke["marker"] = look.marker
        ax.plot(own[figure.x.column], y, label=look.label, **stroke)
        for kind, shape in mark.markers.items():
            of_kind = own["kind"] == kind
            if of_kind.any():
                at = own[figure.x.column][of_kind]
                ax.plot(at, y[of_kind], color=look.color, linestyle="", marker=shape, markersize=_SMALL)


def _stroke(look: Look, mark: Mark, n: int | None = None) -> dict[str, Any]:
    """Return how a line of `n` values looks; a pale one with larger dots has them in full colour.

    The last of them is left out: all lines may meet there.
    """
    line: dict[str, Any] = {"color": look.color, "linestyle": look.linestyle, "linewidth": mark.width}
    if mark.every:
        first, step = mark.every
        line |= {"color": to_rgba(look.color, mark.opacity), "marker": look.marker, "markersize": _LARGE}
        line |= {"markerfacecolor": look.color, "markeredgecolor": "white", "markeredgewidth": 0.5}
        return line if n is None else {**line, "markevery": list(range(first, n - 1, step))}
    dots = {"marker": look.marker, "markersize": _SMALL} if mark.has_dots else {}
    return {**line, "alpha": mark.opacity, **dots}


def _opacity(mark: Mark) -> float:
    return BAND_ALPHA if mark.opacity is None else mark.opacity


def _dots(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    for look, own in networks:
        label = look.label if mark.joins else None
        ax.plot(own[figure.x.column], drawn_values(figure.y, own), linestyle="", label=label, **_dot(look, mark))


def _dot(look: Look, mark: Mark) -> dict[str, Any]:
    dot: dict[str, Any] = {"color": look.color, "marker": look.marker, "markersize": mark.size, "alpha": mark.opacity}
    ring = {"markerfacecolor": "none", "markeredgecolor": look.color, "markeredgewidth": mark.width}
    return dot | (ring if mark.is_hollow else {})


def _interval(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    """Draw means as dots with their interval, where there is one.

    By matplotlib: `seaborn.pointplot` computes means and intervals of its own from runs, has caps whose width is in
    units of the data, and takes nine times as long.
    """
    for look, own in networks:
        x, mean = own[figure.x.column], own[figure.y.column]
        bars = None if own["low"].isna().all() else [mean - own["low"], own["high"] - mean]
        dots: dict[str, Any] = {"color": look.color, "marker": look.marker, "label": look.label, "linestyle": ""}
        ax.errorbar(x, mean, yerr=bars, capsize=_CAP, zorder=3, **dots)


def _seeds(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    """Draw single seeds.

    By matplotlib: even without jitter `seaborn.stripplot` takes numbers from NumPy's global random state, so that a
    script's numbers would depend on whether it draws; and it takes ten times as long.
    """
    for look, own in networks:
        dots: dict[str, Any] = {"marker": look.marker, "linewidths": mark.width, "alpha": mark.opacity, "zorder": 4}
        dots |= {"facecolors": "none", "edgecolors": look.color} if mark.is_hollow else {"color": look.color}
        ax.scatter(own[figure.x.column], own[figure.y.column], (mark.size or _SMALL) ** 2, **dots)


def _band(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    for look, own in networks:
        x, low, high = own[figure.x.column], *intervals(figure.y, own)
        ax.fill_between(x, low, high, color=look.color, alpha=_opacity(mark), linewidth=0)
        if len(own) == 1:  # a band of one place has no width
            ax.vlines(x, low, high, color=look.color)


def _straight(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    """Draw a level or an upright line from edge to edge, behind what was measured."""
    look = mark.look or Look(FAINT, "-", "", "")
    straight = ax.axvline if (mark.shape == "level") == (figure.y.kind == "rows") else ax.axhline
    straight(mark.value, color=look.color, linestyle=look.linestyle, linewidth=mark.width or 0.8, zorder=1)


def _span(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    (look, _), *_ = networks
    ax.axvspan(mark.value, mark.upto, color=look.color, alpha=_opacity(mark), linewidth=0)


def _on_rows(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    """Draw a range, a dot, a hollow ring that a thin line joins to the dot, or a tick, for each row."""
    for look, own in networks:
        value = drawn_values(figure.x, own)
        other = drawn_values(replace(figure.x, column=mark.column or figure.x.column), own)
        ends = intervals(figure.x, own) if mark.shape == "range" else (other, value if mark.shape == "ring" else other)
        for place, *at in zip(own[figure.y.column], *ends, strict=True):
            line: dict[str, Any] = {"color": look.color, "zorder": 2}
            dot = {**line, "marker": look.marker, "clip_on": False}
            if not np.isfinite(at).all():
                continue
            if mark.shape == "range":
                line |= {"linewidth": _RANGE_WIDTH, "alpha": _RANGE_ALPHA, "solid_capstyle": "butt"}
                ax.plot(at, [place, place], **line)
            elif mark.shape == "ring":
                ax.plot(at, [place, place], **line, linewidth=0.8)
                ax.plot(at[0], place, **{**dot, "markerfacecolor": "white", "zorder": 3})
            else:
                shape = {"marker": "|", "markersize": 2 * _LARGE} if mark.shape == "tick" else {"zorder": 4}
                ax.plot(at[0], place, **{**dot, **shape})


def _bar(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    """Draw bars from the foot of the axis."""
    foot = limits(figure.y, figure.rows)[0]
    for look, own in networks:
        height = drawn_values(figure.y, own) - foot
        ax.bar(own[figure.x.column], height, bottom=foot, width=0.8, color=look.color, label=look.label)


_MARKS: Mapping[Shape, Callable[[Axes, Figure, Mark, list[tuple[Look, pd.DataFrame]]], None]] = {
    "line": _line,
    "band": _band,
    "dots": _dots,
    "interval": _interval,
    "seeds": _seeds,
    "bar": _bar,
    "level": _straight,
    "upright": _straight,
    "span": _span,
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
    elif not axis.ticks:
        _values(ax, "x", axis, rows)
    ax.set_xlim(limits(axis, rows))
    if axis.ticks:
        _put_ticks(ax, axis)
    ax.set_xlabel(axis.title)


def _put_ticks(ax: Axes, axis: Axis) -> None:
    """Put ticks whose names do not touch, the last among them."""
    names = {place: shorten(name, TICK_LENGTH) for place, name in axis.ticks.items()}
    low, high = ax.get_xlim()
    per_inch = (high - low) / (ax.get_window_extent().width / ax.figure.dpi)
    half = {place: text_width(name, style.TICK_SIZE) * panels.label_scale(ax) / 2 for place, name in names.items()}
    last = max(names)
    kept: list[float] = []
    for place in sorted(names):
        near = [*kept[-1:], last]
        if place == last or all(abs(place - one) >= (half[place] + half[one] + _TICK_GAP) * per_inch for one in near):
            kept.append(place)
    ax.set_xticks(kept, [names[place] for place in kept])


def _along_y(ax: Axes, figure: Figure, rows: pd.DataFrame) -> None:
    axis = figure.y
    if axis.kind == "rows":
        ax.set_yticks(range(len(axis.names)), _row_names(figure))
        ax.tick_params(axis="y", length=0)
    else:
        _values(ax, "y", axis, rows)
    ax.set_ylim(limits(axis, rows))
    ax.set_ylabel(axis.title)


def _values(ax: Axes, along: Literal["x", "y"], axis: Axis, rows: pd.DataFrame) -> None:
    """Scale an axis of values, with a grid; along the narrow horizontal one there are fewer ticks."""
    one, most = (ax.yaxis, panels.Y_TICKS) if along == "y" else (ax.xaxis, _X_VALUES)
    if axis.kind == "log":
        ax.set(**{f"{along}scale": "log"})
        short = is_short(axis, rows)
        one.set_major_locator(LogLocator(subs=(1, 2, 5)) if short else LogLocator(numticks=most))
        one.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if short else power_of_ten(value)))
        one.set_minor_locator(NullLocator())
    elif axis.kind in ("signed", "powers"):
        steps = panels.STEPS if axis.kind == "powers" else None
        one.set_major_locator(MaxNLocator(most, integer=True, steps=steps))
        written = _signed if axis.kind == "signed" else lambda value: power_of_ten(10.0**value)
        one.set_major_formatter(FuncFormatter(lambda value, _: written(value)))
    elif axis.kind in ("fraction", "error"):
        one.set_major_formatter(FuncFormatter(percent()))
    elif axis.kind == "points":
        one.set_major_formatter(FuncFormatter(lambda value, _: _signed(100 * value)))
    ax.grid(axis=along, color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)


def _row_names(figure: Figure, inches: float = math.inf) -> list[str]:
    """Return the names of rows, cut in the middle, short enough for so many inches."""
    names = figure.y.names
    for length in range(ROW_LENGTH if figure.facet else LABEL_LENGTH, _MIN_ROW_LENGTH, -1):
        shown = short_names(names, length, tail=length)
        if max(text_width(name, style.TICK_SIZE) for name in shown.values()) <= inches:
            break
    return [shown[name] for name in names]


def _signed(value: float) -> str:
    return f"{value:+g}".replace("-", "−").replace("+0", "0")


def percent() -> Callable[[float, Any], str]:
    """Return what writes fractions as percent, in the language of the figure, and not of when it is drawn."""
    written = text("unit.percent", value="{}")
    return lambda value, _: written.format(f"{100 * value:g}".replace("-", "−"))


def power_of_ten(value: float) -> str:
    """Return a power of ten in plain characters, which are laid out ten times as fast as mathematics.

    Ticks below what a float can hold are zero, and have no name.

    Examples
    --------
    >>> power_of_ten(1e-12)
    '10⁻¹²'
    """
    return "" if value <= 0 else f"10{str(round(np.log10(value))).translate(_SUPERSCRIPTS)}"
