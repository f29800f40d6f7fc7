"""The gradient's norm against the position in a sequence, at a step, for a sequence, a seed or the mean."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gradflow.analysis.times import gradient_over_time_over_seeds
from gradflow.plots.times import by_sequence, few_sequences
from gradflow.reporting.live import seeds
from gradflow.reporting.live.bands import MOST_BANDS, band, bands_note
from gradflow.reporting.live.families import families
from gradflow.reporting.live.figure import Live, Option, Scale, Spec, select
from gradflow.reporting.live.pieces import (
    NONFINITE,
    VALUE,
    ZERO,
    LogRange,
    by_network,
    dots,
    edge_note,
    edges,
    figure,
    layered,
    log_range,
    log_y,
    narrowed,
    palette,
    signals,
    told,
    whole_x,
)
from gradflow.reporting.live.thinning import few_steps
from gradflow.text import text

MAX_STEPS, MIN_STEPS = 12, 5
MAX_ROWS = 40_000
MAX_DOTS = 40  # positions up to which each has its dot
ALONE = "alone"  # the mark of a sequence's only norm, of which no line can be drawn
_COLUMNS = ["seed", "step", "family", "network", "tone", "line", "time", "mean", "low", "high", "n", "edge", "mark"]


def times(frame: pd.DataFrame) -> Live | None:
    """Return the figure, or None if no norm was recorded.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.gradient_over_time`, at all recorded steps.
    """
    if not (frame["grad_norm"] > 0).any():
        return None
    thin = few_sequences(frame)
    recorded = sorted(int(step) for step in thin["step"].unique())
    of_one_step = len(thin[thin["step"] == recorded[0]])
    steps = few_steps(recorded, int(np.clip(MAX_ROWS // (2 * of_one_step), MIN_STEPS, MAX_STEPS)))
    rows = _rows(thin[thin["step"].isin(steps)])
    scales, parts = [], []
    for step, of_step in rows.groupby("step"):
        ends = log_range(of_step["mean"].where(of_step["n_nonfinite"] == 0, np.inf))
        scales.append(Scale({"step": str(step)}, ends.signals()))
        parts.append(_placed(of_step, ends))
    rows = pd.concat(parts, ignore_index=True).sort_values(["seed"], kind="stable")
    tones = palette(rows)
    rows = tones.on(rows)
    draws_bands = len(tones.by_network) <= MOST_BANDS
    body = _body(by_network(tones), rows, draws_bands=draws_bands)
    spec = figure(body, height=320, params=signals(scales[0].signals))
    bands = bands_note(rows["low"], draws_bands=draws_bands)
    has_seeds = rows["seed"].nunique() > 1
    controls = (
        *select("step", text("live.step"), [Option(str(step), _moment(step)) for step in steps]),
        *select("seed", text("live.seeds"), seeds.choice(rows, bands) if has_seeds else []),
        *select("family", text("live.sequence"), families(rows)),
    )
    notes = ["" if has_seeds else bands, edge_note(rows), text("live.fitted") if len(steps) > 1 else ""]
    if len(steps) < len(recorded):
        notes.append(text("live.times.steps", n=len(steps), of=len(recorded)))
    return Live("times", spec, narrowed(spec, 290), rows[_COLUMNS], controls, _joined(notes), tuple(scales))


def _rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the mean's and the seeds' rows, each sequence a family, with the numbers of zeros and infinities."""
    value = frame["grad_norm"]
    runs = frame.assign(n_zero=(value == 0).astype(int), n_nonfinite=np.isinf(value).astype(int))
    rows = by_sequence(seeds.with_seeds(gradient_over_time_over_seeds(frame), runs, "grad_norm"))
    return rows.sort_values(["seed", "step", "family", "time"], kind="stable")


def _placed(rows: pd.DataFrame, limits_of: LogRange) -> pd.DataFrame:
    """Return the rows with a place for positions where any seed's norm is zero or not finite."""
    is_zero, is_nonfinite = rows["n_zero"] > 0, rows["n_nonfinite"] > 0
    mark = np.select([is_nonfinite, is_zero], [NONFINITE, ZERO], VALUE)
    edge = np.select([is_nonfinite, is_zero], [limits_of.nonfinite, limits_of.zero], np.nan)
    drawn = rows["mean"].where((rows["mean"] > 0) & np.isfinite(rows["mean"]))
    is_alone = drawn.groupby([rows["seed"], rows["family"]]).transform("count") == 1
    return rows.assign(mean=drawn, edge=edge, mark=np.where(is_alone & drawn.notna(), ALONE, mark))


def _moment(step: int) -> str:
    return text("live.start") if step == 0 else text("live.after", step=step)


def _body(sequence: Spec, rows: pd.DataFrame, *, draws_bands: bool) -> Spec:
    tooltip = told(
        network=text("live.sequence"),
        time=text("live.position"),
        mean__number=text("live.norm"),
        low__number=text("live.low"),
        high__number=text("live.high"),
        n=text("column.n"),
    )
    title = text("live.norm_log")
    n_positions = int(rows.groupby("family")["time"].nunique().max())
    marks = dots(tooltip, is_seen=n_positions <= MAX_DOTS)
    alone = {
        "transform": [{"filter": f"datum.mark === '{ALONE}'"}],
        "mark": {"type": "point", "filled": True, "shape": "diamond", "size": 70, "opacity": 1, "strokeDash": [1, 0]},
        "encoding": {"strokeDash": None},
    }
    parts = [*([band(title)] if draws_bands else []), {"mark": {"type": "line"}}, alone, marks, edges(title)]
    x = whole_x("time", text("figure.times.x"), float(max(rows["time"].max(), 1)), 0)
    return {"layer": layered(parts, {"x": x, "y": log_y("mean", title), **sequence})}


def _joined(notes: list[str]) -> str:
    return text("list.sentences").join(filter(None, notes))
