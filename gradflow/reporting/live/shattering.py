"""How far gradients of different inputs agree, against depth."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gradflow.figures.names import in_order
from gradflow.plots import style
from gradflow.plots.shattering import NORM_COLORS, norm_name
from gradflow.reporting.live.figure import Live, Spec
from gradflow.reporting.live.pieces import dash, figure, narrowed, ordinal, told
from gradflow.text import text
from gradflow.text.words import heading, named

# Those of the printed figure, and what stands for each on dark paper.
_ON_DARK = {"": "#ff9a4d", "batch": "#56b4e9"}
_OTHER = ("light-dark(#007355,#3fc79a)", "light-dark(#A65085,#e39ac4)", "light-dark(#7A5C00,#e0c040)")


def shattering(frame: pd.DataFrame) -> Live | None:
    """Return the figure, or None if networks of two depths were not measured.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.shattering_by_depth`.
    """
    rows = frame.dropna(subset=["depth", "mean"])
    if rows["depth"].nunique() < 2:
        return None
    norms = rows["norm"].map(lambda norm: norm_name(str(norm)))
    dashes = {
        named(name): dash(style.family_style(name, rows["family"]).linestyle)
        for name in in_order(rows["family"].astype(str).unique())
    }
    rows = rows.assign(norms=norms, family=rows["family"].map(lambda name: named(str(name))))
    rows = rows.assign(network=rows["family"] + text("list.separator") + norms)
    spec = figure(_body(dashes, _colors(frame["norm"].astype(str)), rows["depth"]), height=320)
    columns = ["network", "family", "norms", "depth", "mean", "low", "high", "n", "predicted"]
    note = text("live.factor_note") if rows["predicted"].notna().any() else ""
    return Live("shattering", spec, narrowed(spec, 300), rows[columns], (), note)


def _colors(norms: pd.Series[str]) -> dict[str, str]:
    """Return a colour for each norm by what it is called."""
    known = [norm for norm in norms.unique() if norm in NORM_COLORS]
    others = [norm for norm in norms.unique() if norm not in NORM_COLORS]
    found = {norm: f"light-dark({NORM_COLORS[norm]},{_ON_DARK[norm]})" for norm in known}
    found |= {norm: _OTHER[place % len(_OTHER)] for place, norm in enumerate(others)}
    return {norm_name(norm): found[norm] for norm in norms.unique()}


def _body(dashes: dict[str, list[float]], colors: dict[str, str], depths: pd.Series[Any]) -> Spec:
    tooltip = told(
        network=heading("network"),
        depth=heading("depth"),
        mean__number=text("live.value"),
        low__number=text("live.low"),
        high__number=text("live.high"),
        predicted__number=heading("closed_form"),
        n=text("column.n"),
    )
    y: Spec = {"field": "mean", "type": "quantitative", "title": text("live.correlation")}
    axis = {"grid": False, "format": "d", "values": sorted(depths.astype(int).unique().tolist()), "labelOverlap": True}
    scale = {"type": "log", "base": 2, "nice": False, "padding": 10}
    shared: Spec = {
        "x": {
            "field": "depth",
            "type": "quantitative",
            "title": text("figure.shattering.x"),
            "axis": axis,
            "scale": scale,
        },
        "y": y,
        "color": ordinal("norms", colors),
        "detail": {"field": "network"},
    }
    line: Spec = {"mark": {"type": "line"}, "encoding": {**shared, "strokeDash": ordinal("family", dashes)}}
    bars: Spec = {
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "rule", "strokeWidth": 1.6},
        "encoding": {**shared, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
    }
    dots: Spec = {"mark": {"type": "point", "filled": True, "size": 46, "opacity": 1}}
    form: Spec = {
        "transform": [{"filter": "isValid(datum.predicted)"}],
        "mark": {"type": "point", "shape": "stroke", "size": 160, "strokeWidth": 2},
        "encoding": {**shared, "y": {**y, "field": "predicted"}, "tooltip": tooltip},
    }
    return {"layer": [line, bars, {**dots, "encoding": {**shared, "tooltip": tooltip}}, form]}
