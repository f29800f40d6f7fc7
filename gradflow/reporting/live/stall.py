"""Where training stops: the links from the gradient before it to the one after it, network by network."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from gradflow.plots.stall import LINKS, Link
from gradflow.reporting.live.figure import Live, Spec
from gradflow.reporting.live.panels import log_axis, side_by_side, y_extent
from gradflow.reporting.live.pieces import SOFT, log_range, ordinal, palette, power_label, told
from gradflow.text import text
from gradflow.text.widths import columns as columns_of
from gradflow.text.words import heading

_ROW = 20  # pixels a network
_LETTER, _LONGEST = 7, 170  # pixels of a name
_ERROR_SPAN = 0.05  # of training error that the axis shows at least
_DECADE_MARGIN = 0.3


def stall(frame: pd.DataFrame) -> Live | None:
    """Return the figure, or None if nothing was measured.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.stall_over_seeds`, in the order of `gradflow.plots.stall.ordered`.
    """
    parts = [_link(frame, link) for link in LINKS if frame[link.filled].notna().any()]
    if not parts:
        return None
    rows = pd.concat(parts, ignore_index=True)
    tones = palette(frame)
    rows = tones.on(rows)
    names = list(dict.fromkeys(str(name) for name in rows["network"]))
    labels = min(_LONGEST, 14 + _LETTER * max(map(columns_of, names)))
    colour = {**ordinal("tone", tones.tones), "legend": None}
    found = set(rows["link"])
    views = [
        _view(link, rows[rows["link"] == link.name], names, labels, colour) for link in LINKS if link.name in found
    ]
    height = _ROW * len(names)
    wide, narrow = (side_by_side(views, columns=columns, labels=labels, height=height) for columns in (3, 1))
    columns = ["link", "family", "network", "tone", "value", "low", "high", "hollow", "n"]
    return Live("stall", wide, narrow, rows[columns], (), text("live.stall_note"))


def _link(frame: pd.DataFrame, link: Link) -> pd.DataFrame:
    """Return one link's marks; what cannot stand on its axis is blank."""
    values = {"value": frame[link.filled], "low": frame[f"{link.filled}_low"], "high": frame[f"{link.filled}_high"]}
    values["hollow"] = frame[link.hollow] if link.hollow else pd.Series(np.nan, index=frame.index)
    found = pd.DataFrame(values).astype("float64")
    found = found.where(np.isfinite(found))
    if link.scale == "log":
        found = found.where(found > 0)
    if link.scale == "error":
        found = found.assign(low=found["low"].clip(lower=0.0), high=found["high"].clip(upper=1.0))
    return found.assign(link=link.name, family=frame["family"], depth=frame["depth"], n=frame["n"])


def _view(link: Link, rows: pd.DataFrame, names: list[str], labels: int, colour: Spec) -> Spec:
    x: Spec = {"field": "value", "type": "quantitative", "title": link.marks or None, **_axis(link, rows)}
    y: Spec = {
        "field": "network",
        "type": "nominal",
        "sort": names,
        "title": None,
        "scale": {"domain": names},
        "axis": {"labelLimit": labels - 12, "grid": False, "ticks": False, **y_extent(labels)},
    }
    kind = "percent" if link.scale == "error" else "number"
    tooltip = told(
        network=heading("network"),
        **{f"value__{kind}": text("live.value"), f"low__{kind}": text("live.low"), f"high__{kind}": text("live.high")},
        **({"hollow__number": "○"} if link.hollow else {}),
        n=text("column.n"),
    )
    shared: Spec = {"y": y, "color": colour}
    filled: Spec = {"type": "point", "filled": True, "size": 64, "opacity": 1}
    parts: list[Spec] = [
        {
            "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
            "mark": {"type": "rule", "strokeWidth": 4, "opacity": 0.35},
            "encoding": {**shared, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
        },
        {"mark": filled, "encoding": {**shared, "x": x, "tooltip": tooltip}},
    ]
    if link.hollow:
        both = [{"filter": "isValid(datum.hollow) && isValid(datum.value)"}]
        ring: Spec = {"type": "point", "filled": False, "size": 64, "opacity": 1}
        between: Spec = {**shared, "x": {**x, "field": "hollow"}, "x2": {"field": "value"}}
        parts[:0] = [
            {"transform": both, "mark": {"type": "rule", "strokeWidth": 1}, "encoding": between},
            {"mark": ring, "encoding": {**shared, "x": {**x, "field": "hollow"}, "tooltip": tooltip}},
        ]
    if not math.isnan(link.neutral):
        place = {key: value for key, value in x.items() if key != "field"}
        level: Spec = {"type": "rule", "color": SOFT}
        parts.insert(0, {"mark": level, "encoding": {"x": {**place, "datum": link.neutral}}})
    title = {"text": link.title.split("\n")}
    return {"title": title, "transform": [{"filter": f"datum.link == '{link.name}'"}], "layer": parts}


def _axis(link: Link, rows: pd.DataFrame) -> Spec:
    """Return the scale and ticks of one link, with room for the marks at its ends."""
    values = pd.Series(rows[["value", "low", "high", "hollow"]].to_numpy(dtype=np.float64).ravel())
    if not math.isnan(link.neutral):
        values = pd.concat([values, pd.Series([link.neutral])])
    low, high = float(values.min()), float(values.max())
    if link.scale == "error":
        top = min(1.0, max(1.05 * high, _ERROR_SPAN))
        scale: Spec = {"domain": [-0.07 * top, 1.07 * top], "nice": False}
        return {"scale": scale, "axis": {"format": ".0%", "tickCount": 3, "labelOverlap": True}}
    if link.scale == "log":
        return log_axis(log_range(values), most=3)
    margin = max(0.09 * (high - low), _DECADE_MARGIN)
    scale = {"domain": [low - margin, high + margin], "nice": False}
    ticks = {"tickMinStep": 1, "tickCount": 4, "labelOverlap": True, "labelExpr": power_label("datum.value")}
    return {"scale": scale, "axis": ticks}
