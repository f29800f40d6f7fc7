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
    dots,
    edge_note,
    layered,
    log_ticks,
    narrowed,
    palette,
    signals,
    told,
    whole_x,
)
from gradflow.reporting.live.pieces import edges as edge_marks
from gradflow.reporting.live.pieces import figure as whole
from gradflow.text import text
from gradflow.text.words import heading

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
    tones = palette(figure.rows)
    scaling = [facet for facet in figure.facets if facet.rescales]
    cells = [(values, part) for values, part in figure.cells(scaling) if len(part.rows)]
    axes = [part.y if part.y.kind == figure.y.kind else figure.y for _, part in cells]  # a screen has one kind for all
    scales = tuple(Scale(values, _signals(axis, part.rows)) for axis, (values, part) in zip(axes, cells, strict=True))
    placed = [_placed(axis, part.rows) for axis, (_, part) in zip(axes, cells, strict=True)]
    rows = tones.on(pd.concat(placed, ignore_index=True))
    rows = rows.sort_values("seed", kind="stable")  # long repeats take little room in a page
    has_bands = figure.has("band") and len(tones.by_network) <= MOST_BANDS
    tooltip = _tooltip(figure)
    layers = [_MARKS[mark.shape](figure, mark) for mark in figure.marks if mark.shape != "band" or has_bands]
    layers += [_alone(), dots(tooltip, is_seen=has_dots)]
    if figure.y.kind == "log":
        layers.append(edge_marks(figure.y.title))
    shared = {"x": _x(figure.x, figure.rows), "y": _y(figure.y), **by_network(tones)}
    spec = whole({"layer": layered(layers, shared)}, height=height, params=signals(scales[0].signals))
    controls = [control for facet in figure.facets for control in select(facet.column, facet.label, _options(facet))]
    columns = [*(facet.column for facet in figure.facets), "seed", "family", "network", "tone", "line"]
    columns += [figure.x.column, figure.y.column, "low", "high", "n", "edge", "mark", *figure.told]
    bands = bands_note(rows["low"], draws_bands=has_bands)
    of_seed = select("seed", heading("seed"), seeds.choice(rows, bands) if rows["seed"].nunique() > 1 else [])
    said = (figure.hint, "" if of_seed else bands, edge_note(rows), *notes)
    return Live(
        figure.name,
        spec,
        narrowed(spec, height - NARROWER),
        rows[list(dict.fromkeys(columns))],
        (*controls, *of_seed, *family_choice(rows, figure.series)),
        text("list.sentences").join(filter(None, said)),
        scales,
    )


def _placed(axis: Axis, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the value blank where it has no place, `edge` where that is shown, and `mark` of the reason."""
    zeros, nonfinite = edges(axis, rows)
    foot, top = edge_places(axis, rows)
    marked = rows.assign(
        seed=rows.get("seed", ""),
        edge=np.select([nonfinite, zeros], [top, foot], np.nan),
        mark=np.select([nonfinite, zeros], [NONFINITE, ZERO], VALUE),
    )
    values = drawn_values(axis, rows)
    marked[axis.column] = values
    counts = values.groupby([marked["seed"], rows["family"], rows["depth"]], dropna=False).transform("count")
    return marked.assign(mark=np.where((counts == 1) & values.notna(), ALONE, marked["mark"]))


def _signals(axis: Axis, rows: pd.DataFrame) -> dict[str, Any]:
    """Return what the vertical axis follows."""
    low, high = limits(axis, rows)
    if axis.kind == "log":
        return LogRange(low, high, low, high).signals()
    return {"lo": low, "hi": high, "ticks": None}


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
    if axis.kind == "steps":
        last = limits(axis, rows)[1]
        ticks = [0, *(10**power for power in range(1 + int(np.log10(last))))]
        return {
            "field": axis.column,
            "type": "quantitative",
            "title": axis.title,
            "scale": {"type": "symlog", "constant": 1, "domain": [0, last], "nice": False},
            "axis": {"values": ticks, "labelOverlap": True, "grid": False, "format": "~g"},
        }
    low, high = limits(axis, rows)
    return whole_x(axis.column, axis.title, high, low)


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
    value = f"{figure.y.column}__number"
    names = {
        "network": figure.series or heading("network"),
        **figure.told,
        value: figure.y.name or text("live.value"),
    }
    if figure.has("band"):
        names |= {"low__number": text("live.low"), "high__number": text("live.high"), "n": text("column.n")}
    return told(**names)


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


def _level(figure: Figure, mark: Mark) -> Spec:
    rule = {"type": "rule", "color": SOFT}
    none = dict.fromkeys(("x", "color", "detail", "strokeDash"))
    return {"mark": rule, "encoding": {"y": {"datum": mark.value, "type": "quantitative"}, **none}}


_MARKS: Mapping[Shape, Callable[[Figure, Mark], Spec]] = {"line": _line, "band": _band, "level": _level}
