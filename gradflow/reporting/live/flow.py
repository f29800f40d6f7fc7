"""The gradient's norm against depth, at a step, for a family, a seed or the mean, of either gradient."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gradflow.analysis.nonfinite import arrived_nonfinite
from gradflow.analysis.profile import profile_over_seeds
from gradflow.reporting.live import seeds
from gradflow.reporting.live.bands import MOST_BANDS, band, bands_note
from gradflow.reporting.live.families import family_choice
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
from gradflow.reporting.live.thinning import even_layers, few_steps
from gradflow.text import text

MEASURES = ("out_grad_norm", "grad_norm")
MOST_STEPS, FEWEST_STEPS = 12, 5
MOST_ROWS = 60_000
MOST_DOTS = 40  # layers up to which each has its dot
MOST_LAYERS = 250  # drawn of one run; more than a screen has pixels for
_COLUMNS = ("measure", "seed", "step", "family", "network", "tone", "line", "layer", "layer_depth", "mean", "low")
_MORE = ("high", "n", "edge", "mark")


def flow(frame: pd.DataFrame) -> Live | None:
    """Return the figure, or None if no gradient was recorded.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.profile`, at all recorded steps.
    """
    found = [measure for measure in MEASURES if (frame[measure] > 0).any()]
    if not found:
        return None
    thin = even_layers(frame, MOST_LAYERS)
    recorded = sorted(int(step) for step in thin["step"].unique())
    n_layers = thin.drop_duplicates(["run", "layer"]).shape[0]
    steps = few_steps(recorded, int(np.clip(MOST_ROWS // (2 * len(found) * n_layers), FEWEST_STEPS, MOST_STEPS)))
    thin = thin[thin["step"].isin(steps)]
    parts, scales = [], []
    for measure in found:
        rows = _rows(thin, measure).assign(measure=measure)
        for step, of_step in rows.groupby("step"):
            ends = log_range(of_step["mean"].where(of_step["n_nonfinite"] == 0, np.inf))
            scales.append(Scale({"measure": measure, "step": str(step)}, ends.signals()))
            parts.append(_placed(of_step, ends))
    rows = pd.concat(parts, ignore_index=True).sort_values(["seed"], kind="stable")
    tones = palette(thin)
    rows = tones.on(rows)
    draws_bands = len(tones.by_network) <= MOST_BANDS
    body = _body(by_network(tones), rows, draws_bands=draws_bands)
    spec = figure({**body, "encoding": {"x": _depth_axis(rows)}}, height=340, params=signals(scales[0].signals))
    bands = bands_note(rows["low"], draws_bands=draws_bands)
    has_seeds = rows["seed"].nunique() > 1
    controls = (
        *select("measure", text("live.gradient"), [_measure(one) for one in found]),
        *select("step", text("live.step"), [Option(str(step), _moment(step)) for step in steps]),
        *select("seed", text("live.seeds"), seeds.choice(rows, bands) if has_seeds else []),
        *family_choice(rows),
    )
    notes = ["" if has_seeds else bands, edge_note(rows), text("live.fitted") if len(steps) > 1 else ""]
    if len(steps) < len(recorded):
        notes.append(text("live.thinned.steps", n=len(steps), of=len(recorded)))
    if len(thin) < len(frame[frame["step"].isin(steps)]):
        notes.append(text("live.thinned.layers", n=MOST_LAYERS))
    note = text("list.sentences").join(filter(None, notes))
    return Live("flow", spec, narrowed(spec, 300), rows[[*_COLUMNS, *_MORE]], controls, note, tuple(scales))


def _rows(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return the mean's and the seeds' rows of one measure, with the numbers of zeros and non-finite values."""
    means = profile_over_seeds(frame, measure)
    values = frame[measure].mask(arrived_nonfinite(frame, measure), np.inf)
    runs = frame.assign(value=values, n_zero=(values == 0).astype(int), n_nonfinite=np.isinf(values).astype(int))
    rows = seeds.with_seeds(means, runs, "value")
    layers = frame.drop_duplicates(["family", "depth", "layer_depth"])
    keys = ["family", "depth", "layer_depth"]
    named = rows.merge(layers[[*keys, "layer"]], on=keys, how="left")
    return named.sort_values(["seed", "step", "family", "depth", "layer_depth"], kind="stable")


def _placed(rows: pd.DataFrame, limits_of: LogRange) -> pd.DataFrame:
    """Return the rows with a place for layers where any seed's norm is zero or not finite."""
    is_zero, is_nonfinite = rows["n_zero"] > 0, rows["n_nonfinite"] > 0
    mark = np.select([is_nonfinite, is_zero], [NONFINITE, ZERO], VALUE)
    edge = np.select([is_nonfinite, is_zero], [limits_of.nonfinite, limits_of.zero], np.nan)
    drawn = rows["mean"].where((rows["mean"] > 0) & np.isfinite(rows["mean"]))
    return rows.assign(mean=drawn, edge=edge, mark=mark)


def _depth_axis(rows: pd.DataFrame) -> Spec:
    return whole_x("layer_depth", text("live.layer_depth"), float(rows["layer_depth"].max()))


def _measure(measure: str) -> Option:
    note, file = text(f"profile.caption.{measure}"), f"figures/profile-{measure.replace('_', '-')}.png"
    return Option(measure, text(f"live.norm.{measure}"), note=note, file=file)


def _moment(step: int) -> str:
    return text("live.start") if step == 0 else text("live.after", step=step)


def _body(network: Spec, rows: pd.DataFrame, *, draws_bands: bool) -> Spec:
    tooltip = told(
        network=text("column.network"),
        layer=text("live.layer"),
        layer_depth=text("live.depth_short"),
        mean__number=text("live.norm"),
        low__number=text("live.low"),
        high__number=text("live.high"),
        n=text("column.n"),
    )
    title = text("live.norm_log")
    marks = dots(tooltip, is_seen=rows["layer_depth"].max() <= MOST_DOTS)
    parts = [*([band(title)] if draws_bands else []), {"mark": {"type": "line"}}, marks, edges(title)]
    return {"layer": layered(parts, {"y": log_y("mean", title), **network})}
