"""Indicators of trainability: the numbers of a trial that verdicts rest on. Tables in, a table out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from gradflow.recording import Recording

SCALARS = ("loss", "probe_loss", "probe_error", "unlikeness", "total_grad_norm")


def indicators(recording: Recording) -> pd.DataFrame:
    """Return the numbers that verdicts rest on: one row per moment of a trial, `updates` (made before) as index.

    `gradient_decades`: log10 of the gradient's L2 norm at the first weighted layer's output over that at the last but
    one; -inf if none arrives at the first, NaN if none arrives at the last but one. `update_ratio_max`, `_median`,
    `_min`: |update| / |weights| over weighted layers. `growth`: the largest |weights| over its value at step 0.
    `relative_error`: `probe_error` over the error of naming the most frequent class. `relative_loss`: `probe_loss` over
    its value at step 0. `diverged`: 1 if the loss stopped being finite anywhere in the trial, otherwise 0. And the
    trial's scalars. NaN where there is no number.
    """
    moments = sorted(recording.layers.step.unique())
    frame = pd.DataFrame([_at(recording, moment) for moment in moments], index=pd.Index(moments, name="updates"))
    chance = recording.meta.get("chance_error")
    diverged = float(not np.isfinite(recording.steps.loss).all())
    return frame.assign(
        relative_error=frame.probe_error / chance if chance else math.nan,
        relative_loss=frame.probe_loss / frame.probe_loss.iloc[0],
        diverged=diverged,
    )


def _at(recording: Recording, moment: int) -> dict[str, float]:
    steps = recording.steps.set_index("step")
    scalars = {name: float(steps[name].get(moment, math.nan)) if name in steps else math.nan for name in SCALARS}
    now, start = _weighted(recording, moment), _weighted(recording, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = now.set_index("layer").weight_norm / start.set_index("layer").weight_norm
        ratio = now.update_norm / now.weight_norm
    return {
        **scalars,
        "gradient_decades": _decades(now.out_grad_norm),
        "update_ratio_max": float(ratio.max()),
        "update_ratio_median": float(ratio.median()),
        "update_ratio_min": float(ratio.min()),
        "growth": float(growth.max()),
    }


def _weighted(recording: Recording, moment: int) -> pd.DataFrame:
    """Return the weighted layers' rows of one moment, in execution order."""
    rows = recording.layers
    kept = rows[(rows.step == moment) & rows.weighted & (rows.call == 0) & (rows.output == 0) & (rows.backward == 0)]
    return kept.sort_values("order")


def _decades(norms: pd.Series[Any]) -> float:
    """Return the decades from the last weighted layer but one to the first, whose gradients are in this order."""
    values = norms[norms.notna()].to_numpy(np.float64)
    hidden = values[:-1] if len(values) > 1 else values
    if not len(hidden) or hidden[-1] == 0:
        return math.nan
    with np.errstate(divide="ignore"):
        return float(np.log10(hidden[0] / hidden[-1]))
