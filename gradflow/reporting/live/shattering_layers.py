"""How far gradients of different inputs agree, against the layers that they have come through."""

from __future__ import annotations

import pandas as pd

from gradflow.reporting.live.bands import MOST_BANDS, bands_note, linear_band
from gradflow.reporting.live.families import family_choice
from gradflow.reporting.live.figure import Live, Spec
from gradflow.reporting.live.pieces import by_network, dots, figure, layered, narrowed, palette, told, whole_x
from gradflow.text import text

_FOOT = -0.05  # of the axis; correlations of gradients that share nothing scatter around 0
_COLUMNS = ("seed", "family", "network", "tone", "line", "layers_after", "mean", "low", "high", "n")


def shattering_layers(frame: pd.DataFrame) -> Live:
    """Return the figure.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.shattering_by_layer`, without what was not measured.
    """
    tones = palette(frame)
    rows = tones.on(frame.assign(seed="")).sort_values(["network", "layers_after"], kind="stable")
    draws_bands = len(tones.by_network) <= MOST_BANDS
    spec = figure(_body(by_network(tones), rows, draws_bands=draws_bands), height=320)
    controls = family_choice(rows)
    note = bands_note(rows["low"], draws_bands=draws_bands)
    return Live("shattering", spec, narrowed(spec, 300), rows[[*_COLUMNS]], controls, note)


def _body(network: Spec, rows: pd.DataFrame, *, draws_bands: bool) -> Spec:
    foot = min(_FOOT, 1.1 * float(rows[["mean", "low"]].min().min()))
    y: Spec = {
        "field": "mean",
        "type": "quantitative",
        "title": text("live.correlation"),
        "scale": {"domain": [foot, 1], "nice": False},
    }
    tooltip = told(
        network=text("column.network"),
        layers_after=text("live.layers_after"),
        mean__number=text("live.value"),
        low__number=text("live.low"),
        high__number=text("live.high"),
        n=text("column.n"),
    )
    x = whole_x("layers_after", text("figure.shattering.layers"), float(rows["layers_after"].max()), lowest=0)
    parts = [*([linear_band(y)] if draws_bands else []), {"mark": {"type": "line"}}, dots(tooltip)]
    return {"layer": layered(parts, {"x": x, "y": y, **network})}
