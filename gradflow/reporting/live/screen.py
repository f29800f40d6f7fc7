"""Figures on a screen: a description becomes a Vega-Lite specification; a facet is a list to choose from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb

from gradflow.figures.axis_limits import drawn_values, edge_places, edges, intervals, limits, powers_of_two
from gradflow.figures.looks import FAINT, Look
from gradflow.figures.model import Axis, Facet, Figure, Guide, Mark, Shape
from gradflow.figures.names import clean
from gradflow.figures.seeds import MAX_BANDS
from gradflow.reporting.live import seeds
from gradflow.reporting.live.encodings import (
    NONFINITE,
    SOFT,
    VALUE,
    ZERO,
    by_network,
    dash,
    dots,
    edge_note,
    layered,
    log_label,
    log_ticks,
    narrowed,
    ordinal,
    palette,
    powers,
    signals,
    tooltip,
    whole_x,
)
from gradflow.reporting.live.encodings import edges as edge_marks
from gradflow.reporting.live.encodings import figure as whole
from gradflow.reporting.live.figure import ALL, Control, Live, Option, Scale, Spec, select
from gradflow.text import text
from gradflow.text.words import heading, named, sentences

_ENDS = [{"expr": "left"}, {"expr": "right"}]  # of the horizontal axis
_PERCENT = "format(datum.value,'.0%')"  # the label of a fraction
_LABELS = {  # of kinds of axes
    "fraction": _PERCENT,
    "error": _PERCENT,
    "points": "datum.value==0 ? '0' : format(100*datum.value,'+.3~g')",
}
_TITLE = {"text": {"expr": "title"}, "fontSize": 12, "color": SOFT}  # over the vertical axis, where it follows a choice
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
HEIGHT, NARROWER = 300, 20  # pixels, and by how much less in a narrow place
_LONG = 18  # characters of a name, two of which do not stand beside each other in a narrow place
_ROW = 45  # characters that have room beside each other there
_WIDER = 1.5  # times the width of a line on paper
_AREA = 2.65  # square pixels for each square point of a marker on paper


class Values(Protocol):
    """The axis of values: where they are kept, and how they are drawn."""

    def field(self, name: str = "") -> str:
        """Return the column that holds the places of another column's values, by default of the axis' own."""

    def encoding(self, name: str = "") -> Spec:
        """Return the axis with what a column holds."""


class _Vertical(NamedTuple):
    """The vertical axis: where choices have axes of several kinds, values stand on it by their logarithm or as is."""

    axis: Axis
    is_mixed: bool

    def field(self, name: str = "") -> str:
        """Return the column that holds the places of another column's values, by default of the axis' own."""
        return f"at_{name or self.axis.column}" if self.is_mixed else name or self.axis.column

    def encoding(self, name: str = "") -> Spec:
        """Return the axis with what a column holds."""
        y = _mixed_y(self.axis) if self.is_mixed else _y(self.axis)
        return {**y, "field": self.field(name)}


def live(figure: Figure, height: int = HEIGHT, *, notes: Iterable[str] = (), has_dots: bool = True) -> Live | None:
    """Return the figure with what a reader may choose; None if it has no row.

    Parameters
    ----------
    figure : Figure
    height : int
        Pixels.
    notes : iterable of str
        What else is to be said of it.
    has_dots : bool
        Whether each value has a dot that is seen; a pointer finds it without.
    """
    if figure.rows.empty:
        return None
    cells = [(values, part) for values, part in figure.cells([one for one in figure.facets if one.rescales])]
    cells = [(values, part) for values, part in cells if len(part.rows)]
    kinds = {part.y.kind for _, part in cells}
    y = _Vertical(replace(figure.y, kind=min(kinds)), len(kinds) > 1)
    scales = tuple(Scale(values | one, _signals(own, y)) for values, part in cells for one, own in _families(part))
    rows = pd.concat([placed(part, is_mixed=y.is_mixed) for _, part in cells], ignore_index=True)
    has_bands = figure.has("band")
    if figure.looks:
        rows = rows.assign(line=rows["line"].map(_labels(figure)))
        by_line = _by_look(figure)
    else:
        tones = palette(figure.networks or figure.rows)
        rows, by_line = tones.on(rows), by_network(tones)
        has_bands = has_bands and len(tones.by_network) <= MAX_BANDS
    rows = rows.sort_values("seed", kind="stable")  # long repeats take little room in a page
    marks = [mark for mark in figure.marks if mark.shape != "band" or has_bands]
    behind, before = (
        [_guide(figure, one, y) for one in figure.guides if bool(one.look.marker) == has] for has in (0, 1)
    )
    layers = behind
    layers += [_chosen(layer, mark) for mark in marks for layer in _MARKS[mark.shape](figure, mark, y)]
    layers += before
    if any(mark.shape in ("line", "dots") and not mark.joins for mark in marks):
        layers += [_alone(), dots(_tooltip(figure), is_seen=has_dots)]
    if any(part.y.kind == "log" for _, part in cells):
        layers.append(edge_marks(y.encoding("edge")))
    shared = {"x": _x(figure.x, figure.rows), "y": y.encoding(), **by_line}
    if figure.each:
        shared["detail"] = [{"field": "network"}, {"field": figure.each}]
    names = {"places": [*figure.x.ticks], "names": [clean(named(name)) for name in figure.x.ticks.values()]}
    follows = {**(names if figure.x.ticks else {}), **scales[0].signals}
    body = {"layer": layered(layers, shared), **({} if figure.y.title else {"title": _TITLE})}
    spec = whole(body, height=height, params=signals(follows))
    bands = text("live.bands") if has_bands and rows["low"].notna().any() else ""
    has_seeds = not figure.each and not figure.has("seeds") and rows["seed"].nunique() > 1
    of_seed = select("seed", heading("seed"), seeds.choice(rows, bands) if has_seeds else [])
    controls = [one for facet in figure.facets for one in select(facet.column, facet.label, _options(facet))]
    if figure.may_choose:
        lines = [Option(ALL, text("live.all")), *(Option(name, name) for name in _labels(figure).values())]
        controls += select("line", figure.series, lines if len(lines) > 2 else ())
    are_chosen = bool(figure.looks) or any(facet.column == "family" for facet in figure.facets)
    controls += [*of_seed, *(() if are_chosen else _family_choice(_measured(figure, rows), figure.series))]
    of_only = [note for facet in figure.facets if len(facet.names) == 1 for note in facet.notes.values()]
    said = (figure.hint, *of_only, "" if of_seed else bands, edge_note(rows), *notes)
    note = sentences(*said)
    is_wordy = any(len(name) > _LONG for name in _labels(figure).values())
    narrow = narrowed(spec, height - NARROWER, 1 if is_wordy else 2)
    if figure.networks:
        rows = rows.assign(family=rows["family"].where(rows["family"] != "", None))  # beside every family
    return Live(figure.name, spec, narrow, rows[_columns(figure, y, rows)], (*controls,), note, scales)


def _families(figure: Figure) -> list[tuple[dict[str, str], Figure]]:
    """Return the figure of each choice of a family, all of them first, where a choice changes limits."""
    if not figure.fits_families:
        return [({}, figure)]
    choices = [option.value for option in _family_options(_measured(figure, figure.rows))] or [ALL]
    parts = {name: figure.rows[figure.rows["family"].isin([name, ""])] if name else figure.rows for name in choices}
    return [({"family": name}, replace(figure, rows=rows)) for name, rows in parts.items()]


def _family_options(frame: pd.DataFrame) -> list[Option]:
    """Return the families to choose from, all of them first; nothing where there is one."""
    names = [str(name) for name in frame["family"].unique()]
    return [Option(ALL, text("live.all")), *(Option(name, named(name)) for name in names)] if len(names) > 1 else []


def _family_choice(frame: pd.DataFrame, series: str = "") -> tuple[Control, ...]:
    """Return the control, or nothing where there is nothing to choose; `series` is what has a line, if no network."""
    label = series or (heading("family") if frame["depth"].notna().any() else heading("network"))
    return select("family", label, _family_options(frame))


def _measured(figure: Figure, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of networks, without those of others that stand beside them."""
    return rows[rows["family"].isin([name for name, _ in figure.networks if name])] if figure.networks else rows


def _columns(figure: Figure, y: _Vertical, rows: pd.DataFrame) -> list[str]:
    """Return the columns that a page needs."""
    of_line = ["line"] if figure.looks else ["seed", "family", "network", "tone", "line"]
    of_axes = [figure.x.column, y.axis.column, "low", "high", "n", "edge", "mark"]
    places = [y.field(name) for name in ("", "low", "high", "edge")]
    of_marks = [name for mark in figure.marks for name in (*mark.of, mark.joins if mark.looks else "", *mark.told)]
    of_marks += [mark.column for mark in figure.marks if mark.shape != "level"]
    of_facets = [facet.column for facet in figure.facets]
    told = [name.partition("__")[0] for name in figure.told]
    names = [*of_facets, *of_line, *of_axes, *places, *of_marks, figure.each, *told]
    return [name for name in dict.fromkeys(names) if name in rows]


def _labels(figure: Figure) -> dict[str, str]:
    return {name: look.label for name, look in figure.looks.items()}


def placed(figure: Figure, *, is_mixed: bool) -> pd.DataFrame:
    """Return the rows of `marked_by_edge`, with the mark of a line's only value, and intervals that have a place.

    On an axis of several kinds they have their places, too, in columns that begin with `at_`.
    """
    axis, rows = figure.values, figure.rows
    low, high = intervals(axis, rows)
    others = {mark.column for mark in figure.marks if mark.column}
    marked = marked_by_edge(axis, rows).assign(
        **{name: drawn_values(replace(axis, column=name), rows) for name in others - {axis.column}},
        seed=rows.get("seed", ""),
        low=low,
        high=high,
    )
    values = marked[axis.column]
    of_line = ("line",) if figure.looks else ("family", "depth", figure.each)
    line = [rows[name] for name in of_line if name in rows]
    counts = values.groupby([marked["seed"], *line], dropna=False).transform("count")
    marked = marked.assign(mark=np.where((counts == 1) & values.notna(), ALONE, marked["mark"]))
    if not is_mixed:
        return marked
    places = marked[[axis.column, "low", "high", "edge"]].astype("float64")
    on_axis = places.where(places > 0).transform(np.log10) if axis.kind == "log" else places
    return marked.join(on_axis.add_prefix("at_"))


def marked_by_edge(axis: Axis, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the value blank where it has no place, `edge` where that is shown, and `mark` of the reason."""
    (zeros, nonfinite), (foot, top) = edges(axis, rows), edge_places(axis, rows)
    return rows.assign(
        **{axis.column: drawn_values(axis, rows)},
        edge=np.select([nonfinite, zeros], [top, foot], np.nan),
        mark=np.select([nonfinite, zeros], [NONFINITE, ZERO], VALUE),
    )


def _signals(figure: Figure, vertical: _Vertical) -> dict[str, Any]:
    """Return what the axes follow, and which levels are seen."""
    x, y, rows = figure.x, figure.y, figure.rows
    (left, right), (low, high) = limits(x, rows), limits(y, rows)
    ticks = powers(low, high) if y.kind == "log" else None
    levels = [mark for mark in figure.marks if mark.shape == "level" and (mark.of or mark.column)]
    seen = {_seen(mark): len(mark.chosen(rows)) > 0 for mark in levels}
    ends: dict[str, Any] = {"lo": low, "hi": high, "ticks": ticks}
    if vertical.is_mixed and y.kind == "log":
        ends = {name: np.log10(found).tolist() for name, found in ends.items()}
    ends |= {"kind": y.kind} if vertical.is_mixed else {}
    ends |= {} if vertical.axis.title else {"title": y.title}
    return {**ends, "left": left, "right": right, **seen}


def _seen(level: Mark) -> str:
    """Return the signal that shows a level."""
    names = [name for names in level.of.values() for name in names]
    return f"shows_{'_'.join([*names, *filter(None, [level.column])])}"


def _options(facet: Facet) -> list[Option]:
    return [
        Option(value, name, note=facet.notes.get(value, ""), file=facet.files.get(value, ""))
        for value, name in facet.names.items()
    ]


def _x(axis: Axis, rows: pd.DataFrame) -> Spec:
    if axis.kind == "places":
        return {
            "field": axis.column,
            "type": "ordinal",
            "title": axis.title,
            "sort": list(axis.names),
            "scale": {"type": "point", "padding": 0.2},
            "axis": {"labelAngle": 0, "labelOverlap": True},
        }
    if axis.kind == "layers":
        return {
            "field": axis.column,
            "type": "nominal",
            "title": axis.title,
            "sort": list(axis.names),
            "axis": {"labelAngle": 0 if _are_short(axis.names) else -90, "labelLimit": 140, "labelOverlap": True},
        }
    if axis.kind == "doubling":
        return {
            "field": axis.column,
            "type": "quantitative",
            "title": axis.title,
            "scale": {"type": "log", "base": 2, "domain": _ENDS, "nice": False},
            "axis": {"values": powers_of_two(axis, rows), "labelOverlap": True, "grid": False, "format": "d"},
        }
    if axis.kind == "steps":
        last = limits(axis, rows)[1]
        ticks = [0, *(10**power for power in range(1 + int(np.log10(last))))]
        return {
            "field": axis.column,
            "type": "quantitative",
            "title": axis.title,
            "scale": {"type": "symlog", "constant": 1, "domain": _ENDS, "nice": False},
            "axis": {"values": ticks, "labelOverlap": True, "grid": False, "format": "d"},
        }
    if axis.ticks:
        label = "names[indexof(places,datum.value)]"  # names are data, and never part of an expression
        named_ticks = {"values": {"expr": "places"}, "labelExpr": label, "labelLimit": 110, "labelOverlap": True}
        return {
            "field": axis.column,
            "type": "quantitative",
            "title": axis.title,
            "scale": {"domain": _ENDS, "nice": False},
            "axis": {**named_ticks, "grid": False},
        }
    low, high = limits(axis, rows)
    whole_numbers = whole_x(axis.column, axis.title, high, low)
    return {**whole_numbers, "scale": {"domain": _ENDS, "nice": False}}


def _are_short(names: Iterable[str]) -> bool:
    """Whether names stand beside each other without touching, in a narrow place, too."""
    return sum(len(name) + 2 for name in names) <= _ROW


def _y(axis: Axis) -> Spec:
    scale: Spec = {"domain": [{"expr": "lo"}, {"expr": "hi"}], "nice": False}
    ticks: Mapping[str, Any] = {}
    if axis.kind == "log":
        scale, ticks = {"type": "log", **scale}, log_ticks()
    elif axis.kind == "signed":
        label = "datum.value == 0 ? '0' : format(datum.value, '+d')"
        ticks = {"tickMinStep": 1, "labelExpr": label, "tickCount": 7}
    elif axis.kind in _LABELS:
        ticks = {"labelExpr": _LABELS[axis.kind]}
    return {
        "field": axis.column,
        "type": "quantitative",
        "title": axis.title or None,
        "scale": scale,
        "axis": dict(ticks),
    }


def _mixed_y(axis: Axis) -> Spec:
    """Return an axis on which values stand by their logarithm where the signal kind says so."""
    power = log_label("pow(10,datum.value)", "pow(10,hi-lo)")
    of_kinds = "".join(f"kind=='{kind}' ? ({label}) : " for kind, label in {"log": power, **_LABELS}.items())
    label = f"{of_kinds}format(datum.value,'.3~g')"
    scale = {"domain": [{"expr": "lo"}, {"expr": "hi"}], "nice": False, "zero": False}
    ticks = {"labelExpr": label, "values": {"expr": "ticks"}, "labelOverlap": True}
    return {"type": "quantitative", "title": axis.title or None, "scale": scale, "axis": ticks}


def _tooltip(figure: Figure) -> list[Spec]:
    names = {"network": figure.series or heading("network")}
    if figure.looks:
        names = {"network": heading("network")} if "network" in figure.rows else {}
        names["line"] = figure.series
    names |= {**figure.told, f"{figure.y.column}__number": figure.y.name or text("live.value")}
    if figure.has("band"):
        names |= {"low__number": text("live.low"), "high__number": text("live.high"), "n": text("column.n")}
    return tooltip(**names)


def _by_look(figure: Figure) -> Spec:
    """Return the encodings of colour and dashes of lines that are no networks."""
    looks = {look.label: look for look in figure.looks.values()}
    colors = {name: in_both_themes(look.color) for name, look in looks.items()}
    if figure.has("bar"):
        color = ordinal("line", colors)
        legend = color["legend"] and {**color["legend"], "symbolType": "square", "symbolStrokeWidth": 0}
        return {"color": {**color, "legend": legend}}
    dashes = {name: dash(look.linestyle) for name, look in looks.items()}
    return {"color": ordinal("line", colors), "strokeDash": ordinal("line", dashes)}


def _alone() -> Spec:
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


def _guide(figure: Figure, guide: Guide, y: _Vertical) -> Spec:
    values = [dict(zip("xy", point, strict=True)) for point in zip(guide.x, guide.y, strict=True)]
    x = {**_x(figure.x, figure.rows), "field": "x"}
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
    kind = "percent" if figure.y.kind in _LABELS else "number"
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
    encoding = {"y": {**y.encoding(), "stack": None}, "y2": {"datum": {"expr": "lo"}}, "tooltip": _tooltip(figure)}
    return [{"mark": {"type": "bar", "clip": True}, "encoding": encoding}]


def _level(figure: Figure, mark: Mark, y: Values) -> list[Spec]:
    look = mark.look or Look(FAINT, "-", "", "")
    rule: Spec = {"type": "rule", "color": SOFT, "strokeDash": dash(look.linestyle), "clip": True, "tooltip": None}
    if mark.of or mark.column:
        rule["opacity"] = {"expr": f"{_seen(mark)} ? 1 : 0"}
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
