"""Every layer of one run at every recorded step, with one layer's course and one step's profile beside it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gradflow.analysis.nonfinite import arrived_nonfinite
from gradflow.figures.axis_limits import edge_places, limits
from gradflow.figures.columns import counted
from gradflow.figures.model import Axis
from gradflow.figures.names import run_name
from gradflow.reporting.live.encodings import (
    ACCENT,
    NONFINITE,
    VALUE,
    ZERO,
    edge_note,
    figure,
    log_ticks,
    powers,
    signals,
    tooltip,
    y_extent,
)
from gradflow.reporting.live.figure import Control, Live, Option, Pick, Scale, Spec, select
from gradflow.reporting.live.placed_rows import marked_by_edge
from gradflow.reporting.live.row_limits import even_layers, even_steps
from gradflow.text import text
from gradflow.text.words import heading, sentence_case

MEASURES = ("out_grad_norm", "grad_norm")
MAX_STEPS = 40  # columns of a map, each wide enough to be pointed at
MAX_LAYERS = 120
MAX_CELLS = 250_000  # of all runs and measures together, about 3 MB of page
_VALUES = Axis("value", "", "log")
_MAP_HEIGHT, _COURSE_HEIGHT = 320, 120
_FRAME = "#ff4f9a"
_EXTENT = 38  # pixels of a vertical axis without its title
_LABELS = 60  # pixels left of an axis for its labels and title
_EDGE = f"datum.mark == '{ZERO}' ? foot : datum.mark == '{NONFINITE}' ? top : null"
_SHOWN = {"calculate": f"isValid(datum.value) ? datum.value : {_EDGE}", "as": "shown"}
_OWN, _SHARED = "own", "all"  # scales to choose from
_COLUMNS = ["measure", "run", "scale", "layer", "layer_depth", "step", "value", "mark"]


def heatmap(frame: pd.DataFrame) -> Live | None:
    """Return the figure of `profile` at all recorded steps, or None if no gradient was recorded at two."""
    found = [measure for measure in MEASURES if (frame[measure] > 0).any()]
    if not found or frame["step"].nunique() < 2:
        return None
    chosen = even_layers(frame, MAX_LAYERS)
    kept = {run: even_steps(rows.unique().tolist(), MAX_STEPS) for run, rows in chosen.groupby("run")["step"]}
    shown = pd.DataFrame([(run, step) for run, steps in kept.items() for step in steps], columns=["run", "step"])
    chosen = (
        chosen.merge(shown, on=["run", "step"])
        if len(shown) < len(chosen[["run", "step"]].drop_duplicates())
        else chosen
    )
    notes = [text("live.hover")]
    if len(chosen) * len(found) > MAX_CELLS:
        shown, total = _first_seeds(chosen), chosen["run"].nunique()
        notes.append(text("live.thinned.runs", n=shown["run"].nunique(), of=total))
        chosen = shown
    elif len(chosen) < len(frame):
        notes.append(text("live.thinned.cells", layers=MAX_LAYERS, steps=MAX_STEPS))
    parts, scales = [], []
    for measure in found:
        value = _arrived(chosen, measure)
        rows = counted(chosen.assign(measure=measure, value=value), value)
        for run, of_run in rows.groupby("run", sort=False):
            scales.append(Scale({"measure": measure, "run": str(run), "scale": _OWN}, _signals(of_run)))
        scales.append(Scale({"measure": measure, "scale": _SHARED}, _signals(rows)))
        marked = marked_by_edge(_VALUES, rows)
        parts.append(marked.assign(mark=marked["mark"].where(value.notna(), "")))
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.assign(scale=None).sort_values(["measure", "run", "layer_depth", "step"], kind="stable")
    runs = {str(row["run"]): run_name(row) for row in chosen.drop_duplicates("run").to_dict("records")}
    start = signals(scales[0].signals)
    scale_names = [Option(_OWN, text("live.scale_own")), Option(_SHARED, text("live.scale_shared"))]
    controls: tuple[Control | Pick, ...] = (
        *select("run", heading("network"), [Option(run, name) for run, name in runs.items()]),
        *select("measure", text("live.gradient"), [Option(one, text(f"measure.{one}")) for one in found]),
        *select("scale", text("live.scale"), scale_names if len(runs) > 1 else []),
        Pick("layer_depth", sentence_case(text("figure.layer_depth")), start=1),
        Pick("step", text("live.step"), start=float(rows["step"].min())),
    )
    params = [*start, {"name": "layer_depth", "value": 1}, {"name": "step", "value": int(rows["step"].min())}]
    notes.append(edge_note(rows))
    note = " ".join(notes).strip()
    return Live("heatmaps", _wide(params), _narrow(params), rows[_COLUMNS], controls, note, tuple(scales))


def _signals(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the ends of a scale of colours, its ticks, and where zeros and what is not finite are drawn."""
    (low, high), (foot, top) = limits(_VALUES, rows), edge_places(_VALUES, rows)
    return {"lo": low, "hi": high, "ticks": powers(low, high), "foot": foot, "top": top}


def _arrived(frame: pd.DataFrame, measure: str) -> pd.Series[float]:
    """Return a measure with the gradients that arrived as NaN as infinite: NaN is "not measured"."""
    return frame[measure].mask(arrived_nonfinite(frame, measure), float("inf"))


def _first_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    first = frame.drop_duplicates(["family", "depth"])["run"]
    return frame[frame["run"].isin(first)]


def _wide(params: list[Spec]) -> Spec:
    left = {"share": 0.62, "less": _LABELS}
    right = {"share": 0.38, "less": _LABELS + 50}
    upper = {"hconcat": [_map(left), _profile(right)], "spacing": 26}
    return figure({"vconcat": [upper, _course(left)], "spacing": 14}, params=params)


def _narrow(params: list[Spec]) -> Spec:
    whole = {"share": 1, "less": _LABELS + 14}
    across = _profile(whole, lies=True)
    return figure({"vconcat": [_map(whole), _course(whole), across], "spacing": 14}, params=params)


def _tooltip() -> list[Spec]:
    return tooltip(
        layer=heading("layer"),
        layer_depth=sentence_case(text("figure.layer_depth")),
        step=text("live.step"),
        value__number=text("live.norm"),
    )


def _map(width: Spec) -> Spec:
    colour: Spec = {
        "field": "value",
        "type": "quantitative",
        "scale": {"type": "log", "scheme": "viridis", "domain": [{"expr": "lo"}, {"expr": "hi"}]},
        "legend": {"title": text("figure.gradient_norm"), "orient": "top", "gradientLength": 180, **log_ticks()},
    }
    axes: Spec = {"x": _steps(None), "y": _depths("ordinal")}
    tooltip = {"tooltip": _tooltip()}
    cells: Spec = {
        "transform": [{"filter": f"datum.mark == '{VALUE}'"}],
        "mark": {"type": "rect"},
        "encoding": {**axes, "color": colour, **tooltip},
    }
    odd: Spec = {
        "transform": [{"filter": f"datum.mark == '{ZERO}' || datum.mark == '{NONFINITE}'"}],
        "mark": {"type": "rect"},
        "encoding": {**axes, "color": {"value": "light-dark(#c8c8ce,#55555c)"}, **tooltip},
    }
    frames = [_framed(name, axes[channel], channel) for name, channel in (("layer_depth", "y"), ("step", "x"))]
    return {"width": width, "height": _MAP_HEIGHT, "title": text("live.every_layer"), "layer": [cells, odd, *frames]}


def _framed(name: str, axis: Spec, channel: str) -> Spec:
    """Return the frame around the chosen layer's row or the chosen step's column."""
    one = [{"filter": f"datum.{name} == {name}"}, {"aggregate": [{"op": "count", "as": "cells"}], "groupby": [name]}]
    mark = {"type": "rect", "fill": None, "stroke": _FRAME, "strokeWidth": 1.5, "tooltip": None}
    return {"transform": one, "mark": mark, "encoding": {channel: axis}}


def _course(width: Spec) -> Spec:
    line: Spec = {"mark": {"type": "line", "color": ACCENT}, "encoding": _norm("y", "value")}
    return {
        "width": width,
        "height": _COURSE_HEIGHT,
        "title": text("live.at_layer"),
        "transform": [{"filter": "datum.layer_depth == layer_depth"}, _SHOWN],
        "encoding": {"x": _steps(text("figure.recorded_step"))},
        "layer": [line, _points("y")],
    }


def _profile(width: Spec, *, lies: bool = False) -> Spec:
    """Return one step's profile: depth downwards beside the map, or along the bottom where it lies under it."""
    value, place = ("y", "x") if lies else ("x", "y")
    along: Spec = {place: _depths("quantitative", names=lies)}
    return {
        "width": width,
        "height": _COURSE_HEIGHT if lies else _MAP_HEIGHT,
        "title": text("live.at_step"),
        "transform": [{"filter": "datum.step == step"}, _SHOWN],
        "encoding": along,
        "layer": [_points(value)],
    }


def _norm(channel: str, field: str) -> Spec:
    scale = {"type": "log", "domain": [{"expr": "lo"}, {"expr": "hi"}], "nice": False}
    axis = log_ticks(**(y_extent(_EXTENT) if channel == "y" else {}))
    return {channel: {"field": field, "type": "quantitative", "title": None, "scale": scale, "axis": axis}}


def _points(channel: str) -> Spec:
    shapes = {"domain": [VALUE, ZERO, NONFINITE], "range": ["circle", "triangle-down", "cross"]}
    shape = {"field": "mark", "type": "nominal", "scale": shapes, "legend": None}
    return {
        "mark": {"type": "point", "filled": True, "size": 18, "opacity": 1, "color": ACCENT},
        "encoding": {**_norm(channel, "shown"), "shape": shape, "tooltip": _tooltip()},
    }


def _steps(title: str | None) -> Spec:
    axis: Spec = {"labelOverlap": True, "labelAngle": 0, "labels": title is not None, "ticks": title is not None}
    return {
        "field": "step",
        "type": "ordinal",
        "title": title,
        "scale": {"padding": 0},
        "axis": {**axis, "domain": False},
    }


def _depths(kind: str, *, names: bool = False) -> Spec:
    if kind == "quantitative":
        axis: Spec = {"labels": names, "ticks": names, "tickMinStep": 1, "format": "d", "grid": not names}
        scale: Spec = {"reverse": not names, "zero": False, "nice": False, "padding": 4}
        return {
            "field": "layer_depth",
            "type": kind,
            "title": sentence_case(text("figure.layer_depth")) if names else None,
            "scale": scale,
            "axis": axis,
        }
    axis = {"labelOverlap": True, **y_extent(_EXTENT), "ticks": False, "domain": False}
    return {
        "field": "layer_depth",
        "type": kind,
        "title": sentence_case(text("figure.layer_depth")),
        "scale": {"padding": 0},
        "axis": axis,
    }
