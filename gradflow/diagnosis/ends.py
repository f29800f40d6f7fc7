"""How far apart the gradient's norm is at a network's two ends, and by which factor it changes per layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import pandas as pd

from gradflow.analysis.decay import decay
from gradflow.analysis.intervals import Interval, mean_interval
from gradflow.analysis.vanishing_degree import LEAVE_OUT
from gradflow.diagnosis.means import geometric
from gradflow.recording import Recording

# Widths and map sizes move a norm by up to about a decade within one healthy network. At two, the learning
# rate that fits one end is a hundredfold wrong at the other. AUTOTRAINER (Zhang et al. 2021) draws its lines
# at 1.8 and 3.
DECADES = 2.0
When = Literal["start", "end", "batch"]
ONE_BATCH = "analyze"  # meta["experiment"] of recordings that know nothing of any training


class Ends(NamedTuple):
    """One network's gradient at one time: first over last layer in decades, and the longest stage's factor."""

    when: When
    step: int
    measure: str
    decades: Interval
    factor: Interval
    layers: int


def ends(recordings: Sequence[Recording], when: When) -> Ends | None:
    """Return ratio and factor at step 0 or at each run's last recorded step; None if there are none.

    The activation gradients are used, or the parameters' where no activation gradient was recorded.
    """
    measure = "out_grad_norm"
    if not any(recording.layers["out_grad_norm"].notna().any() for recording in recordings):
        measure = "grad_norm"
    by_step: dict[int, list[Recording]] = {}
    for recording in recordings:
        step = 0 if when == "start" else _last_step(recording)
        if step >= (when == "end") and (recording.layers["step"] == step).any():
            by_step.setdefault(step, []).append(recording)
    if not by_step:
        return None
    found = [_decay(group, step, measure) for step, group in by_step.items()]
    rows = [run for frame in found for _, run in frame.groupby("run", sort=False)]
    stages = [_longest(frame) for frame in rows]
    apart = mean_interval(_finite(frame["decades"].iloc[0]) for frame in rows)
    if apart.n == 0:
        return None
    is_batch = all(recording.meta.get("experiment") == ONE_BATCH for recording in recordings)
    moment: When = "batch" if is_batch else when
    return Ends(moment, max(by_step), measure, apart, _factor(stages), int(stages[0]["n_layers"]))


def _decay(recordings: list[Recording], step: int, measure: str) -> pd.DataFrame:
    """Return the factors as the report gives them; where every stage is too short for that, those of all layers."""
    frame = decay(recordings, step=step, measure=measure, leave_out=LEAVE_OUT)
    return frame if frame["factor"].notna().any() else decay(recordings, step=step, measure=measure)


def _longest(frame: pd.DataFrame) -> pd.Series[float]:
    """Return the row of the stage with the most layers, the first of equals, whatever its factor."""
    return frame.iloc[int(frame["n_layers"].to_numpy().argmax())]


def _factor(stages: list[pd.Series[float]]) -> Interval:
    """Return the factor over seeds; for one run the regression's interval over that run's layers."""
    over_seeds = geometric([float(stage["factor"]) for stage in stages])
    if over_seeds.n != 1:
        return over_seeds
    stage = stages[0]
    return Interval(float(stage["factor"]), float(stage["low"]), float(stage["high"]), 1)


def _finite(value: float) -> float:
    """Return the value, or NaN for an infinite one: an end that is exactly zero has no ratio."""
    return float(value) if math.isfinite(value) else math.nan


def _last_step(recording: Recording) -> int:
    """Return the last step whose gradients were recorded, or -1."""
    return int(recording.layers["step"].max()) if len(recording.layers) else -1
