"""How each mark of a description is drawn with Vega-Lite: its layers, and what a pointer is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.colors import to_rgb

from gradflow.figures.looks import FAINT, Look
from gradflow.figures.model import Figure, Guide, Mark, Shape
from gradflow.reporting.live.axis_specs import Values, Vertical, x_axis
from gradflow.reporting.live.encodings import SOFT, dash, format_of, ordinal, tooltip
from gradflow.reporting.live.figure import Spec
from gradflow.text import text
from gradflow.text.words import heading

_SHAPES = {  # of the markers of printed figures
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "P": "cross",
    "v": "triangle-down",
    "X": "cross",
    "x": "M-1,-1L1,1M-1,1L1,-1",
}
ALONE = "alone"  # the mark of a line's only value
_WIDER = 1.5  # times the width of a line on paper
_AREA = 2.65  # square pixels for each square point of a marker on paper


def shown_by(level: Mark) -> str:
    """Return the signal that shows a level."""
    names = [name for names in level.of.values() for name in names]
    return f"shows_{'_'.join([*names, *filter(None, [level.column])])}"


def mark_tooltip(figure: Figure) -> list[Spec]:
    """Return what a pointer is told of a value."""
    names = {"network": figure.series or heading("network")}
    if figure.looks:
        names = {"network": heading("network")} if "network" in figure.rows else {}
        names["line"] = figure.series
    kind = format_of(figure.y)
    names |= figure.told
    if not figure.y.ticks:
        names[f"{figure.y.column}__{kind}"] = figure.y.name or text("live.value")
    if figure.has_intervals:
        names |= {f"low__{kind}": text("live.low"), f"high__{kind}": text("live.high"), "n": text("column.n")}
    return tooltip(**names)


def alone() -> Spec:
    """Return the mark of a line's only value."""
    return {
        "transform": [{"filter": f"datum.mark === '{ALONE}'"}],
        "mark": {"type": "point", "filled": True, "shape": "diamond", "size": 70, "opacity": 1, "strokeDash": [1, 0]},
        "encoding": {"strokeDash": None},
    }


def in_both_themes(color: str) -> str:
    """Return a color on light paper, and one like it on dark."""
    is_black = max(to_rgb(color)) < 0.1  # of which 60 % would be too dark still
    return f"light-dark({color},{'#f4f4f4' if is_black else f'color-mix(in oklab,{color} 60%,white)'})"


def _chosen(layer: Spec, mark: Mark) -> Spec:
    """Return a layer of the rows that a mark draws; a level has none."""
    if not mark.of or mark.shape == "level":
        return layer
    tests = [f"indexof({json.dumps(values)},datum[{json.dumps(name)}])>=0" for name, values in mark.of.items()]
    return {**layer, "transform": [{"filter": " && ".join(tests)}, *layer.get("transform", [])]}


def mark_layers(figure: Figure, mark: Mark, y: Values) -> list[Spec]:
    """Return what a mark is drawn by."""
    return [_chosen(layer, mark) for layer in _MARKS[mark.shape](figure, mark, y)]


def _line(figure: Figure, mark: Mark, y: Values) -> list[Spec]:
    line: Spec = {"type": "line", **({"opacity": mark.opacity} if mark.opacity else {})}
    line |= {"strokeWidth": _WIDER * mark.width} if mark.width else {}
    layer: Spec = {"mark": line}
    if mark.column:
        layer |= {
            "transform": [{"filter": f"isValid(datum.{mark.column})"}],
            "encoding": {"y": y.encoding(mark.column)},
        }
    if mark.joins:
        return _joined(figure, mark, layer)
    if mark.look is None:
        return [layer]
    own: Spec = {"detail": {"field": "line"}} if figure.looks else {}
    return [_looking({**layer, "encoding": {**layer.get("encoding", {}), **own}}, mark.look)]


def _joined(figure: Figure, mark: Mark, layer: Spec) -> list[Spec]:
    """Return a line for each value of a column, of a look each, or as dashed as its networks."""
    if not mark.looks:
        line = {**layer["mark"], "color": SOFT}
        return [{"mark": line, "encoding": {"color": None, "detail": {"field": mark.joins}}}]
    lines = []
    for value, look in mark.looks.items():
        own = [{"filter": f"datum.{mark.joins} === {json.dumps(value)}"}]
        lines.append(_looking({**layer, "transform": own, "encoding": {"detail": None}}, look))
    return [*lines, *([_unseen(figure, mark)] if mark.told else [])]


def _looking(layer: Spec, look: Look) -> Spec:
    """Return a layer of lines whose look does not tell their networks."""
    mark = {**layer["mark"], "color": in_both_themes(look.color), "strokeDash": dash(look.linestyle)}
    return {**layer, "mark": mark, "encoding": {**layer.get("encoding", {}), "color": None, "strokeDash": None}}


def guide_layer(figure: Figure, guide: Guide, y: Vertical) -> Spec:
    """Return a line that was not measured, with points of its own."""
    values = [dict(zip("xy", point, strict=True)) for point in zip(guide.x, guide.y, strict=True)]
    x = {**x_axis(figure.x, figure.rows), "field": "x"}
    encoding = {"x": x, "y": {**y.encoding(), "field": "y"}, "detail": None}
    line: Spec = {"type": "line", "strokeWidth": _WIDER * guide.width, "tooltip": None, "clip": True}
    if guide.look.marker:
        line["point"] = {"filled": False, "size": 25, "strokeWidth": 1.2, "color": in_both_themes(guide.look.color)}
    return _looking({"data": {"values": values}, "mark": line, "encoding": encoding}, guide.look)


def _dots(figure: Figure, mark: Mark, y: Values) -> list[Spec]:
    """Return dots, each network's or, of a shape each, those of a mark that has looks."""
    point: Spec = {"type": "point", "filled": not mark.is_hollow, "size": 30, "opacity": 1}
    if not mark.looks:
        return [{"mark": point, "encoding": {"strokeDash": None}}]
    point |= {"size": _AREA * (mark.size or 1) ** 2, "strokeWidth": _WIDER * (mark.width or 1)}
    color = in_both_themes(next(iter(mark.looks.values())).color)
    shapes = {value: _SHAPES[look.marker] for value, look in mark.looks.items()}
    encoding = {"color": {"value": color}, "shape": {**ordinal(mark.joins, shapes), "legend": None}}
    return [_pointed(figure, mark, point, {**encoding, "detail": None})]


def _interval(figure: Figure, mark: Mark, y: Values) -> list[Spec]:
    bar: Spec = {"transform": [{"filter": "isValid(datum.low)"}], "mark": {"type": "rule", "strokeWidth": 2}}
    bar["encoding"] = {"y": y.encoding("low"), "y2": {"field": y.field("high")}, "strokeDash": None}
    return [bar, _pointed(figure, mark, {"type": "point", "filled": True, "size": 70, "opacity": 1})]


def _seeds(figure: Figure, mark: Mark, y: Values) -> list[Spec]:
    shape = {"shape": _SHAPES[mark.look.marker]} if mark.look else {}
    return [_pointed(figure, mark, {"type": "point", "size": 34, "opacity": mark.opacity or 1, **shape})]


def _unseen(figure: Figure, mark: Mark) -> Spec:
    """Return the marks in which a pointer finds a line."""
    unseen = {"color": {"value": "transparent"}, "detail": None}
    return _pointed(figure, mark, {"type": "point", "filled": True, "size": 100, "opacity": 1}, unseen)


def _pointed(figure: Figure, mark: Mark, point: Spec, encoding: Mapping[str, Any] | None = None) -> Spec:
    """Return the dots of a mark of its own rows, with what a pointer is told of them."""
    kind = format_of(figure.y)
    names = {"network": figure.series or heading("network"), **mark.told}
    names[f"{figure.y.column}__{kind}"] = figure.y.name or text("live.value")
    if mark.shape == "interval":
        names |= {f"low__{kind}": text("live.low"), f"high__{kind}": text("live.high"), "n": text("column.n")}
    return {"mark": point, "encoding": {"strokeDash": None, **(encoding or {}), "tooltip": tooltip(**names)}}


def band(figure: Figure, mark: Mark, y: Values) -> Spec:
    """Return the intervals around a line."""
    return {
        "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
        "mark": {"type": "area", "opacity": mark.opacity or 0.16, "line": False, "clip": True, "tooltip": None},
        "encoding": {"y": y.encoding("low"), "y2": {"field": y.field("high")}, "strokeDash": None},
    }


def _band(figure: Figure, mark: Mark, y: Values) -> list[Spec]:
    return [band(figure, mark, y)]


def _bar(figure: Figure, mark: Mark, y: Values) -> list[Spec]:
    encoding = {"y": {**y.encoding(), "stack": None}, "y2": {"datum": {"expr": "lo"}}, "tooltip": mark_tooltip(figure)}
    return [{"mark": {"type": "bar", "clip": True}, "encoding": encoding}]


def _level(figure: Figure, mark: Mark, y: Values) -> list[Spec]:
    look = mark.look or Look(FAINT, "-", "", "")
    rule: Spec = {"type": "rule", "color": SOFT, "strokeDash": dash(look.linestyle), "clip": True, "tooltip": None}
    if mark.of or mark.column:
        rule["opacity"] = {"expr": f"{shown_by(mark)} ? 1 : 0"}
    none = dict.fromkeys(("x", "color", "detail", "strokeDash"))
    return [{"mark": rule, "encoding": {"y": {"datum": mark.value, "type": "quantitative"}, **none}}]


_MARKS: Mapping[Shape, Callable[[Figure, Mark, Values], list[Spec]]] = {
    "line": _line,
    "dots": _dots,
    "interval": _interval,
    "seeds": _seeds,
    "band": _band,
    "level": _level,
    "bar": _bar,
}
