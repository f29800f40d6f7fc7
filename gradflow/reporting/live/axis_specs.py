"""Axes of a description as Vega-Lite encodings, and one that can be of several kinds where choices have such."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from gradflow.figures.axis_limits import limits, powers_of_two
from gradflow.figures.model import Axis
from gradflow.reporting.live.encodings import SOFT, log_label, log_ticks, power_label, whole_x
from gradflow.reporting.live.figure import Spec

_ENDS = [{"expr": "left"}, {"expr": "right"}]  # of the horizontal axis
_PERCENT = "format(datum.value,'~%')"  # the label of a fraction
LABELS = {  # of kinds of axes
    "fraction": _PERCENT,
    "error": _PERCENT,
    "points": "datum.value==0 ? '0' : format(100*datum.value,'+.3~g')",
}
# Over the vertical axis, where it follows a choice.
AXIS_TITLE = {"text": {"expr": "title"}, "fontSize": 12, "color": SOFT}
_ROW = 45  # characters that have room beside each other in a narrow place


class Values(Protocol):
    """The axis of values: where they are kept, and how they are drawn."""

    def field(self, name: str = "") -> str:
        """Return the column that holds the places of another column's values, by default of the axis' own."""

    def encoding(self, name: str = "") -> Spec:
        """Return the axis with what a column holds."""


class Vertical(NamedTuple):
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


def x_axis(axis: Axis, rows: pd.DataFrame) -> Spec:
    """Return the horizontal axis, which holds the rows."""
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
        return {
            "field": axis.column,
            "type": "quantitative",
            "title": axis.title,
            "scale": {"domain": _ENDS, "nice": False},
            "axis": {**_named_ticks("x"), "labelLimit": 110, "labelOverlap": True, "grid": False},
        }
    low, high = limits(axis, rows)
    whole_numbers = whole_x(axis.column, axis.title, high, low)
    return {**whole_numbers, "scale": {"domain": _ENDS, "nice": False}}


def _named_ticks(along: str) -> Spec:
    """Return ticks where a signal says, named by another: names are data, and never part of an expression."""
    label = f"{along}_names[indexof({along}_places,datum.value)]"
    return {"values": {"expr": f"{along}_places"}, "labelExpr": label}


def _are_short(names: Iterable[str]) -> bool:
    """Whether names stand beside each other without touching, in a narrow place, too."""
    return sum(len(name) + 2 for name in names) <= _ROW


def _y(axis: Axis) -> Spec:
    scale: Spec = {"domain": [{"expr": "lo"}, {"expr": "hi"}], "nice": False}
    ticks: Mapping[str, Any] = {}
    if axis.kind == "log":
        scale, ticks = {"type": "log", **scale}, log_ticks()
    elif axis.ticks:
        ticks = {**_named_ticks("y"), "labelLimit": 140, "ticks": False}
    elif axis.kind == "powers":
        ticks = {"tickMinStep": 1, "labelExpr": power_label("datum.value"), "tickCount": 7}
    elif axis.kind in LABELS:
        ticks = {"labelExpr": LABELS[axis.kind]}
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
    of_kinds = "".join(f"kind=='{kind}' ? ({label}) : " for kind, label in {"log": power, **LABELS}.items())
    label = f"{of_kinds}format(datum.value,'.3~g')"
    scale = {"domain": [{"expr": "lo"}, {"expr": "hi"}], "nice": False, "zero": False}
    ticks = {"labelExpr": label, "values": {"expr": "ticks"}, "labelOverlap": True}
    return {"type": "quantitative", "title": axis.title or None, "scale": scale, "axis": ticks}
