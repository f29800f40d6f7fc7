"""Figures on a screen: a description becomes a Vega-Lite specification; a facet is a list to choose from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from gradflow.figures.model import Axis, Facet, Figure, Mark, Shape, drawn_values, edge_places, edges, limits
from gradflow.figures.seeds import MOST_BANDS
from gradflow.reporting.live import seeds
from gradflow.reporting.live.bands import bands_note
from gradflow.reporting.live.families import family_choice
from gradflow.reporting.live.figure import Live, Option, Scale, Spec, select
from gradflow.reporting.live.pieces import (
    NONFINITE,
    SOFT,
    VALUE,
    ZERO,
    LogRange,
    by_network,
    dash,
    dots,
    edge_note,
    layered,
    log_ticks,
    narrowed,
    ordinal,
    palette,
    signals,
    told,
    whole_x,
)
from gradflow.reporting.live.pieces import edges as edge_marks
from gradflow.reporting.live.pieces import figure as whole
from gradflow.text import text
from gradflow.text.words import heading

_ENDS = [{"expr": "left"}, {"expr": "right"}]  # of the horizontal axis
ALONE = "alone"  # the mark of a line's only value
HEIGHT, NARROWER = 300, 20  # pixels, and by how much less in a narrow place


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
    cells = _cells(figure)
    scales = tuple(Scale(values, _signals(figure.x, y, rows)) for values, y, rows in cells)
    rows = pd.concat([_placed(y, rows) for _, y, rows in cells], ignore_index=True)
    tones = palette(figure.rows)
    rows = rows.assign(line=rows["line"].map(_labels(figure))) if figure.looks else tones.on(rows)
    rows = rows.sort_values("seed", kind="stable")  # long repeats take little room in a page
    has_bands = figure.has("band") and (bool(figure.looks) or len(tones.by_network) <= MOST_BANDS)
    layers = [_MARKS[mark.shape](figure, mark) for mark in figure.marks if mark.shape != "band" or has_bands]
    if not figure.has("bar"):
        layers += [_alone(), dots(_tooltip(figure), is_seen=has_dots)]
    if figure.y.kind == "log":
        layers.append(edge_marks(figure.y.title))
    shared = {"x": _x(figure.x, figure.rows), "y": _y(figure.y), **(_by_look(figure) or by_network(tones))}
    spec = whole({"layer": layered(layers, shared)}, height=height, params=signals(scales[0].signals))
    bands = bands_note(rows["low"], draws_bands=has_bands)
    of_seed = select("seed", heading("seed"), seeds.choice(rows, bands) if rows["seed"].nunique() > 1 else [])
    controls = [one for facet in figure.facets for one in select(facet.column, facet.label, _options(facet))]
    controls += [*of_seed, *(() if figure.looks else family_choice(rows, figure.series))]
    said = (figure.hint, "" if of_seed else bands, edge_note(rows), *notes)
    note = text("list.sentences").join(filter(None, said))
    narrow = narrowed(spec, height - NARROWER)
    return Live(figure.name, spec, narrow, rows[_columns(figure)], (*controls,), note, scales)


def _cells(figure: Figure) -> list[tuple[dict[str, str], Axis, pd.DataFrame]]:
    """Return each choice that has limits of its own, its vertical axis and its rows.

    On a screen all choices have one kind of axis: where theirs differ, that of the figure.
    """
    parts = figure.cells([facet for facet in figure.facets if facet.rescales])
    axes = ((values, part.y if part.y.kind == figure.y.kind else figure.y, part.rows) for values, part in parts)
    return [(values, axis, rows) for values, axis, rows in axes if len(rows)]


def _columns(figure: Figure) -> list[str]:
    """Return the columns that a page needs."""
    of_line = ["line"] if figure.looks else ["seed", "family", "network", "tone", "line"]
    of_axes = [figure.x.column, figure.y.column, "low", "high", "n", "edge", "mark"]
    return list(dict.fromkeys([*(facet.column for facet in figure.facets), *of_line, *of_axes, *figure.told]))


def _labels(figure: Figure) -> dict[str, str]:
    return {name: look.label for name, look in figure.looks.items()}


def _placed(axis: Axis, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the value blank where it has no place, `edge` where that is shown, and `mark` of the reason."""
    zeros, nonfinite = edges(axis, rows)
    foot, top = edge_places(axis, rows)
    marked = rows.assign(
        seed=rows.get("seed", ""),
        low=rows.get("low", np.nan),
        high=rows.get("high", np.nan),
        edge=np.select([nonfinite, zeros], [top, foot], np.nan),
        mark=np.select([nonfinite, zeros], [NONFINITE, ZERO], VALUE),
    )
    values = drawn_values(axis, rows)
    marked[axis.column] = values
    line = [rows[name] for name in ("family", "depth", "line") if name in rows]
    counts = values.groupby([marked["seed"], *line], dropna=False).transform("count")
    return marked.assign(mark=np.where((counts == 1) & values.notna(), ALONE, marked["mark"]))


def _signals(x: Axis, y: Axis, rows: pd.DataFrame) -> dict[str, Any]:
    """Return what the axes follow."""
    (left, right), (low, high) = limits(x, rows), limits(y, rows)
    ticks = LogRange(low, high, low, high).ticks() if y.kind == "log" else None
    return {"lo": low, "hi": high, "ticks": ticks, "left": left, "right": right}


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
            "axis": {"labelAngle": -90, "labelLimit": 140, "labelOverlap": True},
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
    low, high = limits(axis, rows)
    whole_numbers = whole_x(axis.column, axis.title, high, low)
    return {**whole_numbers, "scale": {"domain": _ENDS, "nice": False}}


def _y(axis: Axis) -> Spec:
    scale: Spec = {"domain": [{"expr": "lo"}, {"expr": "hi"}], "nice": False}
    ticks: Mapping[str, Any] = {}
    if axis.kind == "log":
        scale, ticks = {"type": "log", **scale}, log_ticks()
    elif axis.kind == "signed":
        label = "datum.value == 0 ? '0' : format(datum.value, '+d')"
        ticks = {"tickMinStep": 1, "labelExpr": label, "tickCount": 7}
    return {"field": axis.column, "type": "quantitative", "title": axis.title, "scale": scale, "axis": dict(ticks)}


def _tooltip(figure: Figure) -> list[Spec]:
    names = {"network": figure.series or heading("network")}
    if figure.looks:
        names = {"network": heading("network"), "line": figure.series}
    names |= {**figure.told, f"{figure.y.column}__number": figure.y.name or text("live.value")}
    if figure.has("band"):
        names |= {"low__number": text("live.low"), "high__number": text("live.high"), "n": text("column.n")}
    return told(**names)


def _by_look(figure: Figure) -> Spec:
    """Return the encodings of colour and dashes of lines that are no networks; nothing where they are."""
    looks = {look.label: look for look in figure.looks.values()}
    if not looks:
        return {}
    colors = {
        name: f"light-dark({look.color},color-mix(in oklab,{look.color} 60%,white))" for name, look in looks.items()
    }
    if figure.has("bar"):
        color = ordinal("line", colors)
        return {"color": {**color, "legend": {**color["legend"], "symbolType": "square", "symbolStrokeWidth": 0}}}
    dashes = {name: dash(look.linestyle) for name, look in looks.items()}
    return {"color": ordinal("line", colors), "strokeDash": ordinal("line", dashes)}


def _alone() -> Spec:
    return {
        "transform": [{"filter": f"datum.mark === '{ALONE}'"}],
        "mark": {"type": "point", "filled": True, "shape": "diamond", "size": 70, "opacity": 1, "strokeDash": [1, 0]},
        "encoding": {"strokeDash": None},
    }


def _line(figure: Figure, mark: Mark) -> Spec:
    return {"mark": {"type": "line"}}


def _band(figure: Figure, mark: Mark) -> Spec:
    return {
        "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
        "mark": {"type": "area", "opacity": 0.16, "line": False, "clip": True, "tooltip": None},
        "encoding": {"y": {**_y(figure.y), "field": "low"}, "y2": {"field": "high"}, "strokeDash": None},
    }


def _bar(figure: Figure, mark: Mark) -> Spec:
    y = {**_y(figure.y), "stack": None}
    return {
        "mark": {"type": "bar", "clip": True},
        "encoding": {"y": y, "y2": {"datum": {"expr": "lo"}}, "tooltip": _tooltip(figure)},
    }


def _level(figure: Figure, mark: Mark) -> Spec:
    rule = {"type": "rule", "color": SOFT}
    none = dict.fromkeys(("x", "color", "detail", "strokeDash"))
    return {"mark": rule, "encoding": {"y": {"datum": mark.value, "type": "quantitative"}, **none}}


_MARKS: Mapping[Shape, Callable[[Figure, Mark], Spec]] = {"line": _line, "band": _band, "level": _level, "bar": _bar}
