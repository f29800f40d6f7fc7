"""How long the paths are that the gradient takes: paths, gradient per path and their product, by length."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from gradflow.analysis.paths import PathLengths, PublishedLengths
from gradflow.plots.paths import QUANTITIES
from gradflow.reporting.live.bands import linear_band
from gradflow.reporting.live.figure import Live, Spec
from gradflow.reporting.live.panels import log_axis, side_by_side, y_extent
from gradflow.reporting.live.pieces import ACCENT, SOFT, LogRange, edge_note, log_range, placed, told
from gradflow.text import text
from gradflow.text.numbers import count

_LABELS, _HEIGHT = 46, 190  # pixels
_COLUMNS = ["length", "paths", "gradient", "low", "high", "n", "share", "edge", "mark"]


def paths(
    frame: pd.DataFrame, lengths: PathLengths, name: str = "paths", *, published: PublishedLengths | None = None
) -> Live:
    """Return the figure of one network.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.probe.paths.effective_paths`, with a share at each length.
    lengths : PathLengths
        From `gradflow.analysis.paths.path_lengths`.
    name : str
        The figure's, which differs from those of other networks.
    published : PublishedLengths, optional
        Shaded in place of the middle half.
    """
    rows = frame.sort_values("length")
    bounds = rows[["low", "high"]].where(rows["low"] > 0)
    norms = log_range(pd.concat([rows["gradient"], bounds["low"], bounds["high"]]))
    ends = {"paths": log_range(rows["paths"].astype("float64")), "gradient": norms}
    shaded = published[:2] if published else (lengths.quarter, lengths.three_quarters)
    marks = {"first": shaded[0], "last": min(shaded[1], lengths.n_blocks), "mean": lengths.mean}
    views = [_view(quantity, rows, ends.get(quantity), marks) for quantity in QUANTITIES]
    was_drawn = rows["low"] != rows["high"]
    rows = placed(
        rows.assign(low=bounds["low"].where(was_drawn), high=bounds["high"].where(was_drawn)), "gradient", norms
    )
    wide, narrow = (side_by_side(views, columns=columns, labels=_LABELS, height=_HEIGHT) for columns in (3, 1))
    notes = [_note(lengths, published)]
    if rows["low"].notna().any():
        notes.append(text("live.paths.drawn"))
    return Live(name, wide, narrow, rows[_COLUMNS], (), " ".join([*notes, edge_note(rows)]).strip())


def _note(lengths: PathLengths, published: PublishedLengths | None) -> str:
    """Return what is shaded, and what the line is."""
    if published is None:
        return text("live.paths.middle", low=lengths.quarter, high=lengths.three_quarters)
    low, high, n_blocks, source = published
    return text("live.paths.published", low=low, high=high, blocks=count(n_blocks, "blocks"), source=source)


def _view(quantity: str, rows: pd.DataFrame, ends: LogRange | None, marks: Mapping[str, float]) -> Spec:
    """Return one panel; the share alone has a linear axis, and the shade and the line of `marks`."""
    first, last = float(rows["length"].min()), float(rows["length"].max())
    axis = {"tickMinStep": 1, "format": "d", "grid": False, "labelOverlap": True, "tickCount": 6}
    scale: Spec = {"domain": [first - 0.4, last + 0.4], "nice": False}
    x: Spec = {"field": "length", "type": "quantitative", "title": text("figure.paths.x"), "scale": scale, "axis": axis}
    y: Spec = {"field": quantity, "type": "quantitative", "title": None}
    if ends is None:
        top = 1.08 * float(rows[quantity].max()) or 1.0
        y["scale"], y["axis"] = {"domain": [0, top], "nice": False}, {"format": ".0%", "tickCount": 5}
    else:
        y |= log_axis(ends, most=5)
    y["axis"] |= y_extent(_LABELS)
    parts: list[Spec] = [{"mark": {"type": "line", "color": ACCENT}, "encoding": {"x": x, "y": y}}]
    dot = {"type": "point", "filled": True, "size": 30, "opacity": 1, "color": ACCENT}
    parts.append({"mark": dot, "encoding": {"x": x, "y": y, "tooltip": _tooltip()}})
    if quantity == "gradient":
        band = linear_band(y)
        band = {**band, "mark": {**band["mark"], "color": ACCENT}, "encoding": {**band["encoding"], "x": x}}
        band["encoding"].pop("strokeDash")
        absent = {"type": "point", "shape": "triangle-down", "filled": True, "size": 36, "color": ACCENT}
        edge = {"x": x, "y": {**y, "field": "edge"}, "tooltip": _tooltip()}
        parts = [band, *parts, {"transform": [{"filter": "isValid(datum.edge)"}], "mark": absent, "encoding": edge}]
    if quantity == "share":
        parts = [*_marked(x, marks), *parts]
    return {"title": text(f"figure.paths.quantity.{quantity}"), "layer": parts}


def _marked(x: Spec, marks: Mapping[str, float]) -> list[Spec]:
    """Return the shade from the first length to the last and the line of the mean length, each drawn once."""
    data = {"values": [dict(marks)]}
    shade: Spec = {"type": "rect", "color": ACCENT, "opacity": 0.16, "tooltip": None}
    line: Spec = {"type": "rule", "color": SOFT, "strokeDash": [2, 3], "tooltip": None}
    return [
        {"data": data, "mark": shade, "encoding": {"x": {**x, "field": "first"}, "x2": {"field": "last"}}},
        {"data": data, "mark": line, "encoding": {"x": {**x, "field": "mean"}}},
    ]


def _tooltip() -> list[Spec]:
    return told(
        length=text("figure.paths.x"),
        paths__number=text("figure.paths.quantity.paths"),
        gradient__number=text("figure.paths.quantity.gradient"),
        low__number=text("live.low"),
        high__number=text("live.high"),
        n=text("column.n"),
        share__percent=text("figure.paths.quantity.share"),
    )
