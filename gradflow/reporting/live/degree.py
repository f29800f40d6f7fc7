"""The gradient's slope over depth at moments of training: the first layer's over the last one's, in decades."""

from __future__ import annotations

import pandas as pd

from gradflow.plots.degree import MEASURES, moment_name, moments, per_network
from gradflow.reporting.live.bands import MOST_BANDS, bands_note, linear_band
from gradflow.reporting.live.families import family_choice
from gradflow.reporting.live.figure import Live, Option, Spec, select
from gradflow.reporting.live.pieces import SOFT, by_network, dots, figure, layered, narrowed, palette, told
from gradflow.text import text

_MARGIN = 0.06  # of the span of decades


def degree(frame: pd.DataFrame) -> Live | None:
    """Return the figure, or None if no gradient was recorded at two moments of training.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.degree_over_seeds`.
    """
    found = per_network(frame)
    known = found[found["measure"].isin(MEASURES) & found["decades"].notna()]
    if known["moment"].nunique() < 2:
        return None
    measures = [measure for measure in MEASURES if measure in set(known["measure"])]
    order = [moment for moment in moments(frame) if moment in set(known["moment"])]
    # What has no logarithm stays, so that the line has a gap there.
    rows = found[found["measure"].isin(measures) & found["moment"].isin(order)]
    names = {moment: moment_name(frame, moment) for moment in order}
    tones = palette(rows)
    rows = tones.on(rows).assign(
        seed="",
        when=rows["moment"].map(names),
        place=rows["moment"].map({moment: place for place, moment in enumerate(order)}),
        n=rows["decades_n"],
    )
    rows = rows.sort_values(["measure", "network", "place"], kind="stable")
    options = [_option(measure, rows[rows["measure"] == measure]) for measure in measures]
    params = [{"name": name, "value": value} for name, value in options[0].signals.items()]
    draws_bands = len(tones.by_network) <= MOST_BANDS
    spec = figure(_body(by_network(tones), list(names.values()), draws_bands=draws_bands), height=300, params=params)
    controls = (
        *select("measure", text("live.gradient"), options),
        *family_choice(rows),
    )
    columns = [
        *("measure", "family", "network", "tone", "line", "seed", "when", "steps"),
        *("decades", "decades_low", "decades_high", "n"),
    ]
    note = f"{text('live.degree_note')} {bands_note(rows['decades_low'], draws_bands=draws_bands)}".strip()
    return Live("degree", spec, narrowed(spec, 280), rows[columns], controls, note)


def _option(measure: str, rows: pd.DataFrame) -> Option:
    drawn = rows[["decades", "decades_low", "decades_high"]]
    low, high = min(0.0, float(drawn.min().min())), max(0.0, float(drawn.max().max()))
    margin = _MARGIN * max(high - low, 1.0)
    return Option(measure, text(f"figure.degree.{measure}"), {"bottom": low - margin, "top": high + margin})


def _body(network: Spec, when: list[str], *, draws_bands: bool) -> Spec:
    y: Spec = {
        "field": "decades",
        "type": "quantitative",
        "title": text("figure.degree.y"),
        "scale": {"domain": [{"expr": "bottom"}, {"expr": "top"}], "nice": False},
        "axis": {"tickMinStep": 1, "labelExpr": "datum.value == 0 ? '0' : format(datum.value, '+d')", "tickCount": 7},
    }
    x: Spec = {
        "field": "when",
        "type": "ordinal",
        "title": text("figure.step"),
        "sort": when,
        "scale": {"type": "point", "padding": 0.2},
        "axis": {"labelAngle": 0, "labelOverlap": True},
    }
    tooltip = told(
        network=text("column.network"),
        steps=text("live.step"),
        decades__number=text("live.decades"),
        decades_low__number=text("live.low"),
        decades_high__number=text("live.high"),
        n=text("column.n"),
    )
    level: Spec = {
        "mark": {"type": "rule", "color": SOFT},
        "encoding": {"y": {"datum": 0, "type": "quantitative"}},
    }
    bands = [linear_band(y, "decades_low", "decades_high")] if draws_bands else []
    parts = layered([*bands, {"mark": {"type": "line"}}, dots(tooltip)], {"x": x, "y": y, **network})
    return {"layer": [level, *parts]}
