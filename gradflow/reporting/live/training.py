"""Error or loss against the training step, one line a run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from gradflow.analysis.runs import majority_error
from gradflow.analysis.training import window_means
from gradflow.reporting.live.families import family_choice
from gradflow.reporting.live.figure import Live, Option, Spec, select
from gradflow.reporting.live.pieces import (
    by_network,
    dots,
    figure,
    layered,
    log_label,
    log_range,
    majority_line,
    narrowed,
    palette,
    signals,
    told,
    whole_x,
)
from gradflow.text import text
from gradflow.text.numbers import percent
from gradflow.text.words import heading

WINDOW = 10
MOST_WINDOWS = 150  # of a run; windows grow where it has more steps
AVERAGED = ("batch_error", "loss")  # measured at each step
OF_TRAINING = ("batch_error", "train_error")  # of the images that a network is trained with
ERRORS = ("batch_error", "train_error", "test_error")


def training(frame: pd.DataFrame) -> Live | None:
    """Return the figure, or None if neither error nor loss was recorded at two steps.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.training`.
    """
    if frame["step"].nunique() < 2:
        return None
    window = max(WINDOW, -(-int(frame["step"].max() + 1) // MOST_WINDOWS))
    parts, options = [], []
    majority = majority_error(frame)
    note = "" if majority is None else text("live.majority", error=percent(majority))
    for measure in (*ERRORS, "loss"):
        rows = window_means(frame, window=window if measure in AVERAGED else 1, measure=measure)
        if not rows["mean"].notna().any():
            continue
        placed, axis = _on_axis(rows, is_error=measure in ERRORS)
        parts.append(placed.assign(measure=measure))
        is_beside = majority is not None and measure in OF_TRAINING
        said = [note if is_beside else "", text("live.edge.nonfinite_loss") if placed["edge"].notna().any() else ""]
        follows = {**axis, "percent": measure in ERRORS, "majority": is_beside}
        options.append(
            Option(measure, _name(measure, window), follows, note=text("list.sentences").join(filter(None, said)))
        )
    if not parts:
        return None
    found = pd.concat(parts, ignore_index=True)
    tones = palette(found)
    rows = tones.on(found).drop(columns="seed").rename(columns={"run": "seed"})  # a line for each run
    body = _body(by_network(tones), float(found["step"].max()), majority)
    spec = figure(body, height=320, params=signals(options[0].signals))
    controls = (
        *select("measure", heading("measure"), options),
        *family_choice(rows),
    )
    columns = ["measure", "seed", "family", "network", "tone", "line", "step", "mean", "at", "edge"]
    only = options[0].note if len(options) == 1 else ""
    return Live("training", spec, narrowed(spec, 280), rows[columns], controls, only)


def _on_axis(rows: pd.DataFrame, *, is_error: bool) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the rows with their place on the axis and on its top edge, and the axis' signals.

    As in the printed figure losses that are all positive stand on a logarithmic axis, by their logarithm.
    """
    mean = rows["mean"]
    if is_error or not (mean.dropna() > 0).all():
        finite = mean.where(np.isfinite(mean))
        top = 1.02 if is_error else 1.05 * finite.max() if finite.max() > 0 else 1.0
        linear = {"bottom": min(0.0, 1.05 * finite.min()), "top": float(top), "ticks": None, "logarithmic": False}
        return rows.assign(at=finite, edge=np.nan), linear
    ends = log_range(mean)
    finite = np.log10(mean.where(np.isfinite(mean)))
    edge = np.where(np.isinf(mean), math.log10(ends.nonfinite), np.nan)
    ticks = [math.log10(tick) for tick in ends.ticks()]
    axis = {"bottom": math.log10(ends.low), "top": math.log10(ends.high), "ticks": ticks, "logarithmic": True}
    return rows.assign(at=finite, edge=edge), axis


def _name(measure: str, window: int) -> str:
    return (
        text(f"figure.training.windows.{measure}", window=window) if measure in AVERAGED else text(f"measure.{measure}")
    )


def _body(network: Spec, last: float, majority: float | None) -> Spec:
    power = log_label("pow(10,datum.value)", "pow(10,top-bottom)")
    label = f"logarithmic ? ({power}) : percent ? format(datum.value,'.0%') : format(datum.value,'.3~g')"
    y: Spec = {
        "field": "at",
        "type": "quantitative",
        "title": text("live.error_or_loss"),
        "scale": {"domain": [{"expr": "bottom"}, {"expr": "top"}], "nice": False, "zero": False},
        "axis": {"labelExpr": label, "values": {"expr": "ticks"}, "labelOverlap": True},
    }
    shared = {"x": whole_x("step", text("live.training_step"), last, 0), "y": y, **network}
    tooltip = told(seed=heading("run"), step__number=text("live.step"), mean__number=text("live.value"))
    gone: Spec = {
        "transform": [{"filter": "isValid(datum.edge)"}],
        "mark": {"type": "point", "shape": "cross", "filled": True, "size": 36, "opacity": 1},
        "encoding": {"y": {**y, "field": "edge"}, "strokeDash": None},
    }
    parts = [{"mark": {"type": "line", "opacity": 0.8}}, dots(tooltip), gone]
    behind = [] if majority is None else [majority_line(majority, y)]
    return {"layer": [*behind, *layered(parts, shared)]}
