"""One network's gradient as it is, without the skips' and without the branches' share."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gradflow.plots.skips import VARIANTS
from gradflow.reporting.live.bands import band, bands_note
from gradflow.reporting.live.figure import Live, Option, Spec, select
from gradflow.reporting.live.flow import MOST_DOTS
from gradflow.reporting.live.pieces import (
    dash,
    dots,
    edge_note,
    edges,
    figure,
    layered,
    log_range,
    log_y,
    narrowed,
    ordinal,
    palette,
    placed,
    signals,
    told,
    whole_x,
)
from gradflow.text import text
from gradflow.text.words import heading, word

_COLUMNS = ["network", "said", "layer_depth", "mean", "low", "high", "n", "edge", "mark"]


def skips_without(frame: pd.DataFrame) -> Live | None:
    """Return the figure, the deepest network first; None if nothing was measured.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.counterfactual_over_seeds`.
    """
    is_gone = frame["mean"].isna() & (frame["n_nonfinite"] > 0)
    known = frame.assign(mean=frame["mean"].mask(is_gone, np.inf)).dropna(subset=["mean"])
    if known.empty:
        return None
    known = palette(known).on(known).sort_values(["depth", "layer_depth"], ascending=[False, True], kind="stable")
    ranges = {str(name): log_range(_drawn(rows)) for name, rows in known.groupby("network", sort=False)}
    parts = [placed(known[known["network"] == name], "mean", ends) for name, ends in ranges.items()]
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.assign(said=[word(str(variant)) for variant in rows["variant"]])
    lasts = rows.groupby("network")["layer_depth"].max()
    options = [Option(name, name, {**ends.signals(), "last": int(lasts[name])}) for name, ends in ranges.items()]
    drawn = [variant for variant in list(VARIANTS)[::-1] if variant in set(rows["variant"])]
    spec = figure(_body(drawn, rows), height=320, params=signals(options[0].signals))
    controls = select("network", heading("network"), options)
    notes = filter(None, (bands_note(rows["low"]), edge_note(rows)))
    note = text("list.sentences").join(notes)
    return Live("skips-without", spec, narrowed(spec, 300, 1), rows[_COLUMNS], controls, note)


def _drawn(rows: pd.DataFrame) -> pd.Series[float]:
    bounds = rows[["low", "high"]].replace([0.0, np.inf], np.nan)
    drawn: pd.Series[float] = pd.concat([rows["mean"], bounds["low"], bounds["high"]])
    return drawn


def _body(drawn: list[str], rows: pd.DataFrame) -> Spec:
    title = text("figure.gradient_norm")
    looks = {word(variant): VARIANTS[variant] for variant in drawn}
    colors = {
        said: f"light-dark({look['color']},color-mix(in oklab,{look['color']} 60%,white))"
        for said, look in looks.items()
    }
    tooltip = told(
        network=heading("network"),
        said=text("live.gradient"),
        layer_depth=heading("layer"),
        mean__number=text("live.norm"),
        low__number=text("live.low"),
        high__number=text("live.high"),
        n=text("column.n"),
    )
    x = whole_x("layer_depth", text("figure.layer_depth_short"), float(rows["layer_depth"].max()))
    x["scale"]["domain"] = [1, {"expr": "last"}]
    shared = {
        "x": x,
        "y": log_y("mean", title),
        "color": ordinal("said", colors),
        "strokeDash": ordinal("said", {said: dash(look["linestyle"]) for said, look in looks.items()}),
    }
    marks = dots(tooltip, is_seen=rows["layer_depth"].max() <= MOST_DOTS)
    return {"layer": layered([band(title), {"mark": {"type": "line"}}, marks, edges(title)], shared)}
