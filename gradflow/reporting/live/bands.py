"""Intervals around lines, and what a note says of them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gradflow.reporting.live.figure import Spec
from gradflow.reporting.live.pieces import log_y
from gradflow.text import text


def band(title: str, low: str = "low", high: str = "high") -> Spec:
    """Return the interval around a line on a logarithmic axis."""
    return {
        "transform": [{"filter": f"isValid(datum.{low}) && isValid(datum.{high})"}],
        "mark": {"type": "area", "opacity": 0.16, "line": False, "clip": True, "tooltip": None},
        "encoding": {"y": log_y(low, title), "y2": {"field": high}, "strokeDash": None},
    }


def linear_band(y: Spec, low: str = "low", high: str = "high") -> Spec:
    """Return the interval around a line on the linear axis `y`."""
    return {
        "transform": [{"filter": f"isValid(datum.{low}) && isValid(datum.{high})"}],
        "mark": {"type": "area", "opacity": 0.16, "clip": True, "tooltip": None},
        "encoding": {"y": {**y, "field": low}, "y2": {"field": high}, "strokeDash": None},
    }


def bands_note(low: pd.Series[Any], *, draws_bands: bool = True) -> str:
    """Return what the bands are, an empty string where none is drawn."""
    return text("live.bands") if draws_bands and low.notna().any() else ""
