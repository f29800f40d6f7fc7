"""Figures on a screen whose facet is panels beside each other, as on paper; no choice changes their axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from gradflow.figures.axis_limits import limits
from gradflow.figures.looks import FAINT, Look
from gradflow.figures.model import Axis, Figure, Mark
from gradflow.reporting.live.encodings import (
    ACCENT,
    SOFT,
    and_multiples,
    dash,
    edge_note,
    edges,
    format_of,
    layered,
    log_ticks,
    ordinal,
    palette,
    power_label,
    powers,
    tooltip,
    whole_x,
    y_extent,
)
from gradflow.reporting.live.encodings import figure as whole
from gradflow.reporting.live.figure import Live, Spec
from gradflow.reporting.live.mark_specs import ALONE, band, in_both_themes
from gradflow.reporting.live.placed_rows import placed
from gradflow.text import text
from gradflow.text.widths import columns as columns_of
from gradflow.text.words import heading, sentences

HEIGHT, ROW = 190, 20  # pixels of a panel, and of a row
_LABELS = 46  # pixels of numbers beside an axis
_LETTER, _LONGEST = 7, 170  # pixels of a row's name
_WIDE = 3  # panels in a row, at most
_SPACING = 18  # pixels between panels
_RIGHT = 16  # pixels that the last label of an axis may stand out
_WIDEST = 1e300  # limits further apart have a ratio that is no number
_DOT, _RING = 30, 64  # square pixels of a dot on a line, and of a mark on a row


class _Panel(NamedTuple):
    """One panel: its figure, and its axes with limits that no choice changes."""

    figure: Figure
    labels: int

    def field(self, name: str = "") -> str:
        """Return the column that holds the places of another column's values, by default of the axis' own."""
        return name or self.figure.values.column

    def encoding(self, name: str = "") -> Spec:
        """Return the axis of values with what a column holds."""
        figure = self.figure
        extent = {} if self.has_rows else y_extent(self.labels)
        axis = _axis(figure.values, figure.rows, most=_ticks(figure))
        title = (figure.values.title or None) if self.has_rows else None  # which the panel's title says
        return {**axis, "title": title, "axis": {**axis["axis"], **extent}, "field": self.field(name)}

    def places(self) -> Spec:
        """Return the other axis."""
        if not self.has_rows:
            return _axis(self.figure.x, self.figure.rows, most=6)
        names = list(self.figure.y.names)
        labels = {"labelLimit": self.labels - 12, "grid": False, "ticks": False, **y_extent(self.labels)}
        y = {"field": self.figure.y.column, "type": "nominal", "sort": names, "title": None, "axis": labels}
        return {**y, "scale": {"domain": names}}

    @property
    def has_rows(self) -> bool:
        """Whether values are drawn along the horizontal axis."""
        return self.figure.y.kind == "rows"

    @property
    def value(self) -> str:
        """The channel of values."""
        return "x" if self.has_rows else "y"


def panels(figure: Figure, notes: Iterable[str] = ()) -> Live | None:
    """Return a figure of rows, or of one line a panel, with what else is to be said of it; None if it has no row."""
    facet = figure.facet
    parts = [(values, part) for values, part in figure.cells((facet,) if facet else ()) if len(part.rows)]
    if not parts:
        return None
    rows = pd.concat([placed(part, is_mixed=False) for _, part in parts], ignore_index=True)
    color: Spec = {"value": ACCENT}
    if not figure.looks:
        tones = palette(figure.rows)
        rows, color = tones.on(rows), {**ordinal("tone", tones.tones), "legend": None}
    names = figure.y.names
    labels = min(_LONGEST, 14 + _LETTER * max(map(columns_of, names))) if names else _LABELS
    views = [_view(_Panel(part, labels), color, values) for values, part in parts]
    if facet:
        views = [
            {"title": {"text": facet.title(values[facet.column]).split("\n")}, **view}
            for view, (values, _) in zip(views, parts, strict=True)
        ]
    height = ROW * len(names) or HEIGHT
    wide, narrow = (_side_by_side(views, columns=most, labels=labels, height=height) for most in (_WIDE, 1))
    note = sentences(figure.hint, edge_note(rows), *notes)
    return Live(figure.name, wide, narrow, rows[_columns(figure, rows)], (), note)


def _side_by_side(views: Sequence[Spec], *, columns: int, labels: int, height: int) -> Spec:
    """Return a whole specification of views of one size, so many beside each other.

    The labels of a vertical axis take so many pixels; each view must keep to it (`y_extent`).
    """
    columns = min(columns, len(views))
    less = labels + (_SPACING * (columns - 1) + _RIGHT) / columns
    size: Spec = {"width": {"share": 1 / columns, "less": less}, "height": height}
    sized = [{**size, **view} for view in views]
    rows = [sized[first : first + columns] for first in range(0, len(sized), columns)]
    return whole({"vconcat": [{"hconcat": row, "spacing": _SPACING} for row in rows], "spacing": _SPACING})


def _columns(figure: Figure, rows: pd.DataFrame) -> list[str]:
    """Return the columns that a page needs."""
    of_line = [] if figure.looks else ["family", "network", "tone"]
    of_axes = [figure.x.column, figure.y.column, "low", "high", "n", "edge", "mark"]
    of_facets = [name for facet in figure.facets for name in (facet.column, *(y.column for y in facet.y.values()))]
    names = [*of_facets, *of_line, *of_axes, *(mark.column for mark in figure.marks), *map(_bare, figure.told)]
    return [name for name in and_multiples(names) if name in rows]


def _bare(told_as: str) -> str:
    return told_as.partition("__")[0]


def _view(panel: _Panel, color: Spec, values: dict[str, str]) -> Spec:
    """Return one panel, of the rows that hold the values."""
    figure = panel.figure
    marks = [mark for mark in figure.marks if len(mark.chosen(figure.rows))]
    layers = [layer for mark in marks for layer in _layers(panel, mark)]
    if figure.values.kind == "log" and not panel.has_rows:
        layers.append(edges(panel.encoding("edge")))
    shared = {panel.value: panel.encoding(), "y" if panel.has_rows else "x": panel.places(), "color": color}
    filters = [{"filter": {"field": column, "equal": value}} for column, value in values.items()]
    return {"transform": filters, "layer": layered(layers, shared)}


def _layers(panel: _Panel, mark: Mark) -> list[Spec]:
    """Return what a mark is drawn by."""
    value, tooltip = panel.value, _tooltip(panel.figure)
    interval = {value: panel.encoding("low"), f"{value}2": {"field": "high"}}
    bounded = [{"filter": "isValid(datum.low) && isValid(datum.high)"}]
    if mark.shape in ("level", "upright", "span"):
        return [_once(panel, mark)]
    if mark.shape == "line":
        dot = {"type": "point", "filled": True, "size": _DOT, "opacity": 1}
        return [{"mark": {"type": "line"}}, {"mark": dot, "encoding": {"tooltip": tooltip}}]
    if mark.shape == "band":
        alone = [*bounded, {"filter": f"datum.mark === '{ALONE}'"}]
        return [band(panel.figure, mark, panel), {"transform": alone, "mark": {"type": "rule"}, "encoding": interval}]
    if mark.shape == "range":
        rule: Spec = {"type": "rule", "strokeWidth": 4, "opacity": 0.35}
        return [{"transform": bounded, "mark": rule, "encoding": interval}]
    point: Spec = {"type": "point", "filled": mark.shape != "ring", "size": _RING, "opacity": 1}
    own = {value: panel.encoding(mark.column), "tooltip": tooltip}
    if mark.shape == "ring":
        both = [{"filter": f"isValid(datum.{mark.column}) && isValid(datum.{panel.field()})"}]
        between = {value: panel.encoding(mark.column), f"{value}2": {"field": panel.field()}}
        thin: Spec = {"type": "rule", "strokeWidth": 1}
        return [{"transform": both, "mark": thin, "encoding": between}, {"mark": point, "encoding": own}]
    if mark.shape == "tick":
        there = [{"filter": f"isValid(datum.{mark.column})"}]
        tick = {"type": "tick", "thickness": 2, "size": 16}
        tick |= {"color": in_both_themes(mark.look.color)} if mark.look else {}
        return [{"transform": there, "mark": tick, "encoding": {**own, "color": None}}]
    return [{"mark": point, "encoding": own}]


def _once(panel: _Panel, mark: Mark) -> Spec:
    """Return what is drawn once, whatever the rows: a level, an upright line or a shade."""
    look = mark.look or Look(FAINT, "-", "", "")
    value, place = panel.value, "y" if panel.has_rows else "x"
    values: dict[str, Any] = {"from": mark.value}
    channel, axis = (value, panel.encoding()) if mark.shape == "level" else (place, panel.places())
    encoding: Spec = {**dict.fromkeys((value, place, "color")), channel: {**axis, "field": "from"}}
    if mark.shape == "span":
        values["to"] = min(mark.upto, limits(panel.figure.x, panel.figure.rows)[1])
        drawn: Spec = {"type": "rect", "color": ACCENT, "opacity": mark.opacity, "tooltip": None}
        encoding[f"{channel}2"] = {"field": "to"}
    else:
        drawn = {"type": "rule", "color": SOFT, "strokeDash": dash(look.linestyle), "tooltip": None}
    return {"data": {"values": [values]}, "mark": drawn, "encoding": encoding}


def _ticks(figure: Figure) -> int:
    """Return how many ticks an axis of values has room for: few beside names and other panels."""
    if figure.y.kind != "rows":
        return 5
    return 3 if figure.facet else 8


def _axis(axis: Axis, rows: pd.DataFrame, most: int) -> Spec:
    """Return an axis of numbers with its limits and at most so many ticks."""
    low, high = limits(axis, rows)
    if axis.kind in ("depth", "whole"):
        return {**whole_x(axis.column, axis.title, high, low), "scale": {"domain": [low, high], "nice": False}}
    found: Spec = {"field": axis.column, "type": "quantitative", "title": axis.title}
    if axis.kind == "log":
        span = f"{min(high / low, _WIDEST):.6g}"
        scale: Spec = {"type": "log", "domain": [low, high], "nice": False}
        return {**found, "scale": scale, "axis": log_ticks(span, values=powers(low, high, most))}
    ticks: Spec = {"tickCount": most, "labelOverlap": True}
    if axis.kind == "powers":
        ticks |= {"tickMinStep": 1, "labelExpr": power_label("datum.value")}
    elif axis.kind == "fraction":
        ticks["format"] = "~%"
    return {**found, "scale": {"domain": [low, high], "nice": False}, "axis": ticks}


def _tooltip(figure: Figure) -> list[Spec]:
    axis, kind = figure.values, format_of(figure.values)
    names = {} if figure.looks else {"network": heading("network")}
    names |= figure.told
    if axis.column not in map(_bare, names):
        names[f"{axis.column}__{kind}"] = axis.name or text("live.value")
    if figure.rows["low"].notna().any():
        names |= {f"low__{kind}": text("live.low"), f"high__{kind}": text("live.high")}
    signs = {"ring": "○"}
    for mark in figure.marks:
        if mark.column and len(mark.chosen(figure.rows)):
            names[f"{mark.column}__{kind}"] = mark.label or signs[mark.shape]
    return tooltip(**names, n=text("column.n"))
