"""How alike gradients are along a line of inputs, beside noise, by norm."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gradflow.figures.seeds import MOST_BANDS
from gradflow.plots.shattering import norm_name
from gradflow.reporting.live.bands import bands_note, linear_band
from gradflow.reporting.live.families import family_choice
from gradflow.reporting.live.figure import Live, Spec
from gradflow.reporting.live.panels import side_by_side, y_extent
from gradflow.reporting.live.pieces import SOFT, by_network, dots, layered, palette, stacked, told
from gradflow.text import text
from gradflow.text.words import heading
from gradflow.theory import shattering as theory

_LABELS, _TITLE, _HEIGHT = 34, 26, 220  # pixels
_LOWEST, _HIGHEST = -0.2, 1.05
_NOISE = {"brown": [8, 2, 2, 2], "white": [2, 2]}  # dashes
_COLUMNS = ["family", "network", "tone", "line", "seed", "panel", "noise", "lag", "mean", "low", "high", "n"]


def autocorrelation(frame: pd.DataFrame) -> Live | None:
    """Return the figure, or None if nothing was measured.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.autocorrelation_by_lag`.
    """
    found = frame[frame["mean"].notna()]
    if found.empty:
        return None
    norms = sorted(found["norm"].unique())
    tones = palette(found)
    rows = tones.on(found).assign(seed="", noise="", panel=found["norm"].map(norms.index))
    rows = rows.sort_values(["panel", "network", "lag"], kind="stable")
    draws_bands = len(tones.by_network) <= MOST_BANDS
    low = min(_LOWEST, float(rows[["mean", "low"]].min().min()))
    views = [
        _view(place, norm_name(str(norm)), by_network(tones), low, draws_bands=draws_bands)
        for place, norm in enumerate(norms)
    ]
    wide, narrow = (side_by_side(views, columns=columns, labels=_LABELS + _TITLE, height=_HEIGHT) for columns in (2, 1))
    controls = family_choice(rows)
    note = f"{text('live.noise')} {bands_note(rows['low'], draws_bands=draws_bands)}".strip()
    # Noise has every family, so that it stays whichever is chosen.
    parts = [rows, *(_noise(frame, str(family)) for family in rows["family"].unique())]
    return Live("autocorrelation", wide, stacked(narrow), pd.concat(parts)[_COLUMNS], controls, note)


def _noise(frame: pd.DataFrame, family: str) -> pd.DataFrame:
    points, lags = int(frame["points"].max()), int(frame["lag"].max())
    forms = {"brown": theory.brown_noise(points, lags), "white": theory.white_noise(points, lags)}
    parts = [pd.DataFrame({"lag": np.arange(lags + 1), "mean": form, "noise": name}) for name, form in forms.items()]
    return pd.concat(parts).assign(family=family, panel=-1, seed="").reindex(columns=_COLUMNS)


def _view(panel: int, title: str, network: Spec, low: float, *, draws_bands: bool) -> Spec:
    x: Spec = {
        "field": "lag",
        "type": "quantitative",
        "title": text("figure.autocorrelation.x"),
        "scale": {"nice": False},
        "axis": {"tickMinStep": 1, "format": "d", "grid": False, "labelOverlap": True, "tickCount": 6},
    }
    y: Spec = {
        "field": "mean",
        "type": "quantitative",
        "title": text("figure.autocorrelation.y"),
        "scale": {"domain": [low, _HIGHEST], "nice": False},
        "axis": {"tickCount": 6, **y_extent(_LABELS)},
    }
    tooltip = told(
        network=heading("network"),
        lag=text("live.lag"),
        mean__number=text("live.value"),
        low__number=text("live.low"),
        high__number=text("live.high"),
        n=text("column.n"),
    )
    bands = [linear_band(y)] if draws_bands else []
    own = {
        "transform": [{"filter": f"datum.panel == {panel}"}],
        "layer": layered([*bands, {"mark": {"type": "line"}}, dots(tooltip)], {"x": x, "y": y, **network}),
    }
    noise = [
        {
            "transform": [{"filter": f"datum.noise == '{name}'"}],
            "mark": {"type": "line", "strokeDash": dashes, "strokeWidth": 1.2, "color": SOFT},
            "encoding": {"x": x, "y": y, "detail": {"field": "family"}},
        }
        for name, dashes in _NOISE.items()
    ]
    return {"title": title, "layer": [*noise, own]}
