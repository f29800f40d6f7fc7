"""How each mark of a description is drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D

from gradflow.figures.axis_limits import drawn_values, edge_places, edges, intervals, limits
from gradflow.figures.looks import FAINT, Look, Looks
from gradflow.figures.model import Figure, Guide, Mark, Shape

BAND_ALPHA = 0.13
SMALL, _RING, LARGE = 3, 4, 6  # points of a marker on a line or an edge, of a hollow one, of one of few
_RANGE_WIDTH, _RANGE_ALPHA = 2.4, 0.35
_DENSE, _THIN = 40, 0.6  # values to an inch from which on lines that go up and down would fill it; points of theirs
_CAP = 3  # points of an interval's caps, on either side
_RING_EVERY = 3  # values between two of them


def like_guide(line: Line2D, guide: Guide) -> Line2D:
    """Return a line with the look of a guide."""
    line.set(color=guide.look.color, linestyle=guide.look.linestyle, linewidth=guide.width, label=guide.look.label)
    if guide.look.marker:  # rings between the dots of what was measured
        line.set(marker=guide.look.marker, markersize=_RING, markerfacecolor="white", markeredgewidth=0.9)
        line.set(markevery=(1, _RING_EVERY), zorder=5)
    return line


def draw_edges(ax: Axes, figure: Figure, looks: Looks, scaled_by: pd.DataFrame) -> None:
    """Draw zeros at the foot of a log axis, and values that are not finite on top."""
    places, found = edge_places(figure.values, scaled_by), edges(figure.values, figure.rows)
    for marker, place, number in zip("vx", places, (0, 1), strict=True):
        for look, own in figure.lines(looks) if found[number].any() else ():
            there = own[figure.x.column][edges(figure.values, own)[number]]
            if len(there):
                at = np.full(len(there), place)
                ax.plot(there, at, color=look.color, marker=marker, linestyle="", markersize=SMALL)


def _line(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    """Draw a line a network: a gap wherever a value has no place, a marker where there is one value alone.

    By matplotlib: `seaborn.lineplot` joins the ends of a gap, and takes ten times as long.
    """
    axis = replace(figure.y, column=mark.column or figure.y.column)
    per_inch = max(len(own) for _, own in networks) / (ax.get_window_extent().width / ax.figure.dpi)
    mark = replace(mark, width=_THIN) if mark.width is None and per_inch > _DENSE else mark
    for look, own in networks:
        y = drawn_values(axis, own)
        stroke = stroke_of(look, mark, len(own))
        if y.notna().sum() == 1 and mark.look is None and not mark.looks:
            stroke["marker"] = look.marker
        ax.plot(own[figure.x.column], y, label=look.label, **stroke)
        for kind, shape in mark.markers.items():
            of_kind = own["kind"] == kind
            if of_kind.any():
                at = own[figure.x.column][of_kind]
                ax.plot(at, y[of_kind], color=look.color, linestyle="", marker=shape, markersize=SMALL)


def stroke_of(look: Look, mark: Mark, n: int | None = None) -> dict[str, Any]:
    """Return how a line of `n` values looks; a pale one with larger dots has them in full colour.

    The last of them is left out: all lines may meet there.
    """
    line: dict[str, Any] = {"color": look.color, "linestyle": look.linestyle, "linewidth": mark.width}
    if mark.every:
        first, step = mark.every
        line |= {"color": to_rgba(look.color, mark.opacity), "marker": look.marker, "markersize": LARGE}
        line |= {"markerfacecolor": look.color, "markeredgecolor": "white", "markeredgewidth": 0.5}
        return line if n is None else {**line, "markevery": list(range(first, n - 1, step))}
    dots = {"marker": look.marker, "markersize": SMALL} if mark.has_dots else {}
    return {**line, "alpha": mark.opacity, **dots}


def opacity_of(mark: Mark) -> float:
    """Return how opaque a band or a span is."""
    return BAND_ALPHA if mark.opacity is None else mark.opacity


def _dots(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    for look, own in networks:
        label = look.label if mark.joins else None
        ax.plot(own[figure.x.column], drawn_values(figure.y, own), linestyle="", label=label, **dot_of(look, mark))


def dot_of(look: Look, mark: Mark) -> dict[str, Any]:
    """Return how a dot looks."""
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
        ax.scatter(own[figure.x.column], own[figure.y.column], (mark.size or SMALL) ** 2, **dots)


def _band(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    for look, own in networks:
        x, low, high = own[figure.x.column], *intervals(figure.y, own)
        ax.fill_between(x, low, high, color=look.color, alpha=opacity_of(mark), linewidth=0)
        if len(own) == 1:  # a band of one place has no width
            ax.vlines(x, low, high, color=look.color)


def _straight(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    """Draw a level or an upright line from edge to edge, behind what was measured."""
    look = mark.look or Look(FAINT, "-", "", "")
    straight = ax.axvline if (mark.shape == "level") == (figure.y.kind == "rows") else ax.axhline
    straight(mark.value, color=look.color, linestyle=look.linestyle, linewidth=mark.width or 0.8, zorder=1)


def _span(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    (look, _), *_ = networks
    ax.axvspan(mark.value, mark.upto, color=look.color, alpha=opacity_of(mark), linewidth=0)


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
                shape = {"marker": "|", "markersize": 2 * LARGE} if mark.shape == "tick" else {"zorder": 4}
                ax.plot(at[0], place, **{**dot, **shape})


def _bar(ax: Axes, figure: Figure, mark: Mark, networks: list[tuple[Look, pd.DataFrame]]) -> None:
    """Draw bars from the foot of the axis."""
    foot = limits(figure.y, figure.rows)[0]
    for look, own in networks:
        height = drawn_values(figure.y, own) - foot
        ax.bar(own[figure.x.column], height, bottom=foot, width=0.8, color=look.color, label=look.label)


def draw_mark(ax: Axes, figure: Figure, mark: Mark, lines: list[tuple[Look, pd.DataFrame]]) -> None:
    """Draw the lines of a mark on axes that hold the rows of a figure."""
    has_rows = figure.y.kind == "rows" and mark.shape != "level"
    (_on_rows if has_rows else _MARKS[mark.shape])(ax, figure, mark, lines)


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
