"""Factors per layer with their intervals, beside the closed forms."""

from __future__ import annotations

import pandas as pd

from gradflow.plots.predicted import row_name
from gradflow.reporting.live.figure import Live, Spec
from gradflow.reporting.live.pieces import ACCENT, SOFT, figure, told
from gradflow.text import text
from gradflow.text.words import heading

_ROW = 20  # pixels


def factors(frame: pd.DataFrame) -> Live | None:
    """Return the figure, or None if nothing was measured.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.predicted`.
    """
    rows = frame[frame["factor"].notna()]
    if rows.empty:
        return None
    names = [row_name({str(key): value for key, value in row.items()}) for row in rows.to_dict("records")]
    rows = rows.assign(name=names)[["name", "factor", "low", "high", "n", "predicted", "difference"]]
    spec = figure(_body(names), height=_ROW * len(names))
    return Live("factors", spec, spec, rows, (), text("live.factor_note"))


def _body(names: list[str]) -> Spec:
    tooltip = told(
        name=heading("setting"),
        factor__number=heading("measured"),
        low__number=text("live.low"),
        high__number=text("live.high"),
        predicted__number=heading("closed_form"),
        n=text("column.n"),
    )
    y: Spec = {
        "field": "name",
        "type": "nominal",
        "sort": names,
        "title": None,
        "axis": {"labelLimit": 170, "grid": True},
    }
    x: Spec = {"field": "factor", "type": "quantitative", "title": text("head.factor"), "scale": {"zero": False}}
    one: Spec = {"mark": {"type": "rule", "strokeDash": [3, 3], "color": SOFT}}
    return {
        "layer": [
            {**one, "encoding": {"x": {"datum": 1, "type": "quantitative"}}},
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "rule", "strokeWidth": 2, "color": ACCENT},
                "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
            {
                "transform": [{"filter": "isValid(datum.predicted)"}],
                "mark": {"type": "tick", "thickness": 2, "size": 16, "color": "light-dark(#c2410c,#ff9a4d)"},
                "encoding": {"y": y, "x": {**x, "field": "predicted"}, "tooltip": tooltip},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 46, "opacity": 1, "color": ACCENT},
                "encoding": {"y": y, "x": x, "tooltip": tooltip},
            },
        ]
    }
