"""The demonstration's gradient norms against depth, one line a setting, with the closed forms."""

from __future__ import annotations

import pandas as pd

from gradflow.plots.vanishing import setting_colors
from gradflow.reporting.live.bands import band
from gradflow.reporting.live.figure import Live, Option, Spec, select
from gradflow.reporting.live.pieces import (
    LogRange,
    dots,
    edge_note,
    edges,
    figure,
    layered,
    limits,
    log_range,
    log_y,
    narrowed,
    ordinal,
    placed,
    told,
    whole_x,
)
from gradflow.text import text
from gradflow.text.words import heading, named

MEASURES = ("out_grad_norm", "grad_norm")


def vanishing(frame: pd.DataFrame) -> Live | None:
    """Return the figure, or None if no gradient was measured.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.vanishing_profile`.
    """
    frame = frame.assign(label=[named(str(label)) for label in frame["label"]])
    parts, options, ranges = [], [], []
    for measure in MEASURES:
        rows = frame[frame["measure"] == measure]
        if (rows["mean"] > 0).any():
            ends = log_range(pd.concat([rows["mean"], rows["predicted"]]))
            parts.append(placed(rows, "mean", ends))
            options.append(_option(measure, rows, ends))
            ranges.append(ends)
    if not parts:
        return None
    rows = pd.concat(parts, ignore_index=True).sort_values(["measure", "setting", "layer_depth"], kind="stable")
    spec = figure(_body(setting_colors(frame), rows), height=340, params=limits(ranges[0]))
    labels = [str(label) for label in frame["label"].unique()]
    settings = [Option("", text("live.all")), *(Option(label, label) for label in labels)]
    controls = (
        *select("measure", text("live.gradient"), options),
        *(select("label", heading("setting"), settings) if len(labels) > 1 else ()),
    )
    columns = ["measure", "label", "layer_depth", "mean", "low", "high", "n", "predicted", "edge", "mark"]
    return Live(
        "vanishing",
        spec,
        narrowed(spec, 320, 1),
        rows[columns],
        controls,
        edge_note(rows),
    )


def _option(measure: str, rows: pd.DataFrame, ends: LogRange) -> Option:
    note = text(f"vanishing.caption.{measure}")
    if rows["predicted"].notna().any():
        note = text("list.sentences").join([note, text("live.forms")])
    elif rows["low"].notna().any():
        note = text("list.sentences").join([note, text("live.bands")])
    file = f"figures/vanishing-{measure.replace('_', '-')}.png"
    return Option(measure, text(f"measure.{measure}"), ends.signals(), note, file)


def _body(colors: dict[str, str], rows: pd.DataFrame) -> Spec:
    title = text("live.relative_norm")
    both = {label: f"light-dark({color},color-mix(in oklab,{color} 55%,white))" for label, color in colors.items()}
    tooltip = told(
        label=heading("setting"),
        layer_depth=heading("layer"),
        mean__number=text("live.norm"),
        low__number=text("live.low"),
        high__number=text("live.high"),
        predicted__number=heading("closed_form"),
        n=text("column.n"),
    )
    shared = {
        "x": whole_x("layer_depth", text("figure.vanishing.x"), float(rows["layer_depth"].max())),
        "y": log_y("mean", title),
        "color": ordinal("label", both),
    }
    form: Spec = {
        "transform": [{"filter": "isValid(datum.predicted)"}],
        "mark": {"type": "line", "strokeDash": [3, 4], "strokeWidth": 1, "color": "light-dark(#101010,#f4f4f4)"},
        "encoding": {"y": log_y("predicted", title), "color": None, "detail": {"field": "label"}},
    }
    line: Spec = {"mark": {"type": "line", "strokeWidth": 4, "opacity": 0.6}}
    return {"layer": layered([band(title), line, dots(tooltip), form, edges(log_y("edge", title))], shared)}
