"""Figures on a screen: a description becomes a Vega-Lite specification; a facet is a list to choose from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from gradflow.figures.model import Axis, Figure, Mark, Shape, drawn_values, edge_places, edges, limits
from gradflow.figures.seeds import MOST_BANDS
from gradflow.reporting.live.bands import bands_note
from gradflow.reporting.live.families import family_choice
from gradflow.reporting.live.figure import Live, Option, Spec, select
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

HEIGHT, NARROWER = 300, 20  # pixels, and by how much less in a narrow place


def live(figure: Figure, height: int = HEIGHT) -> Live | None:
    """Return the figure with what a reader may choose; None if it has no row."""
    if figure.rows.empty:
        return None
    tones = palette(figure.rows)
    parts = figure.panels()
    rows = tones.on(pd.concat([_placed(figure.y, part) for part in parts.values()], ignore_index=True))
    options = [_option(figure, value, part) for value, part in parts.items()]
    has_bands = figure.has("band") and len(tones.by_network) <= MOST_BANDS
    shared = {"x": _x(figure.x, figure.rows), "y": _y(figure.y), **by_network(tones)}
    layers = [_MARKS[mark.shape](figure, mark) for mark in figure.marks if mark.shape != "band" or has_bands]
    layers.append(dots(_tooltip(figure)))
    if figure.y.kind == "log":
        layers.append(edge_marks(figure.y.title))
    spec = whole({"layer": layered(layers, shared)}, height=height, params=signals(options[0].signals))
    facet = figure.facet
    controls = (*(select(facet.column, facet.label, options) if facet else ()), *family_choice(rows))
    columns = [*([facet.column] if facet else []), "seed", "family", "network", "tone", "line", figure.x.column]
    columns += [figure.y.column, "low", "high", "n", "edge", "mark", *figure.told]
    notes = (figure.hint, bands_note(rows["low"], draws_bands=has_bands), edge_note(rows))
    note = text("list.sentences").join(filter(None, notes))
    return Live(
        figure.name, spec, narrowed(spec, height - NARROWER), rows[list(dict.fromkeys(columns))], controls, note
    )


def _placed(axis: Axis, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the value blank where it has no place, `edge` where that is shown, and `mark` of the reason."""
    zeros, nonfinite = edges(axis, rows)
    foot, top = edge_places(axis, rows)
    marked = rows.assign(
        seed="",
        edge=np.select([nonfinite, zeros], [top, foot], np.nan),
        mark=np.select([nonfinite, zeros], [NONFINITE, ZERO], VALUE),
    )
    marked[axis.column] = drawn_values(axis, rows)
    return marked


def _option(figure: Figure, value: str, rows: pd.DataFrame) -> Option:
    low, high = limits(figure.y, rows)
    follows: dict[str, Any] = {"lo": low, "hi": high, "ticks": None}
    if figure.y.kind == "log":
        follows = LogRange(low, high, low, high).signals()
    return Option(value, figure.facet.names[value] if figure.facet else "", follows)


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
    return whole_x(axis.column, axis.title, float(rows[axis.column].max()), 0)


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
    names = {"network": text("column.network"), **figure.told, value: figure.y.name or text("live.value")}
    if figure.has("band"):
        names |= {"low__number": text("live.low"), "high__number": text("live.high"), "n": text("column.n")}
    return told(**names)


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
