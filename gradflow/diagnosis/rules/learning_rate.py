"""Learning rates that are too high, too low, or fall too early, by how far updates move the weights."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from gradflow.analysis.clipping import binding
from gradflow.diagnosis.beginning import constant_loss, optimizer_settings
from gradflow.diagnosis.each_run import Found, over_runs, problem_if
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.fresh_weights import is_fresh
from gradflow.diagnosis.learning import HARMLESS, MIN_STEPS, is_stuck, is_unfitted, learning, losses
from gradflow.diagnosis.movement import movement
from gradflow.diagnosis.rules.loss_level import has_risen
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

FIGURE = "updates"
# Updates of healthy runs move a weight by 0.1 % to 4 % of its length in the first steps.
HIGH = 0.1
JUMP = 2.0  # times the first loss: the most of a healthy run with updates that large is 1.03
# A weight that has not moved by so much of its length, there and back, is the one it was.
LOW = 0.05
# Adam's first moments and SGD's momentum of 0.99 carry an update on over a hundred steps.
LONG_MOMENTUM = 0.99
DECAYED = 1e-2  # of the largest learning rate, before half of the steps are over
BINDS = 0.9  # of the steps
KEPT = 0.1  # of the gradient, behind clipping
FRESH_SHARE = 0.6  # of a constant answer's loss: an end above it is no trained network's


def find(cases: list[Case]) -> list[Finding]:
    """Return at most one finding for each case of updates that are too large, and one of too small ones."""
    return [*over_runs(cases, _too_high, FIGURE), *over_runs(cases, _too_low, FIGURE)]


def _too_high(recording: Recording) -> Found | None:
    jump = _jump(recording)
    if not (is_unfitted(recording) or has_risen(recording) or jump > JUMP):
        return None
    moved = movement(recording)
    if moved is None:
        return None
    early = max(one for one in (0.0, moved.first, moved.early) if math.isfinite(one))  # a head of zeros begins infinite
    values: dict[str, Value] = {"early": early, "largest": moved.largest, "threshold_percent": HIGH}
    momentum = optimizer_settings(recording).get("momentum", 0)
    is_stopped = is_unfitted(recording) or has_risen(recording)
    if isinstance(momentum, int | float) and momentum >= LONG_MOMENTUM and moved.path > LOW and is_stopped:
        reach = round(1 / (1 - momentum)) if momentum < 1 else 0
        return Found("momentum_high", "problem", values | {"momentum": float(momentum), "reach": reach}, "",
                     ("remedy.less_momentum",))  # fmt: skip
    if not early > HIGH:
        return None
    if learning(recording) == "diverged":
        values["notes"] = "not_finite"
    elif is_stuck(recording) or has_risen(recording):
        values["notes"] = "not_falling"
    elif jump > JUMP:
        values |= {"jump": jump, "notes": "jumped"}
    else:
        return None
    return Found("lr_high", "problem", values, "cause.overshoot", ("remedy.lower_lr", "remedy.warmup"))


def _jump(recording: Recording) -> float:
    """Return how many times the first loss the median of the first ten is; NaN where it is not known."""
    found = losses(recording)
    return found.first / found.start if found is not None and found.start > 0 else math.nan


def _too_low(recording: Recording) -> Found | None:
    found = losses(recording)
    if found is None or found.steps < MIN_STEPS or learning(recording) in ("solved", "diverged"):
        return None
    moved = movement(recording)
    if moved is None:
        return None
    rates = _rates(recording)
    if moved.largest == 0 or (len(rates) and (rates == 0).all()):
        return None
    values: dict[str, Value] = {"path": moved.path, "steps": found.steps, "threshold_percent": LOW}
    if (gone := _decayed(recording, rates)) is not None and is_unfitted(recording):
        return Found("lr_decays", "problem", values | {"step": gone, "share": DECAYED}, "", ("remedy.slower_decay",))
    if moved.path <= LOW:
        if _still_rises(rates):
            return None  # a warm-up under way says nothing of the rate to come
        if not (is_fresh(recording) or found.last >= FRESH_SHARE * constant_loss(recording)):
            return None
        is_behind = is_unfitted(recording) or found.last > found.first / 2
        severity = problem_if(learning(recording) not in HARMLESS or is_behind)
        if clipped := _clipped(recording):
            return Found("clip_binds", severity, values | clipped, "cause.clip", ("remedy.raise_clip",))
        return Found("lr_low", severity, values, "", ("remedy.raise_lr",))
    return None


def _rates(recording: Recording) -> pd.Series[float]:
    """Return the largest learning rate at each recorded step."""
    rows = recording.parameters
    steps, starts = np.unique(rows["step"].to_numpy(), return_index=True)
    largest = np.fmax.reduceat(rows["lr"].to_numpy(), starts) if len(steps) else np.zeros(0)
    return pd.Series(largest, index=steps).dropna()


def _still_rises(rates: pd.Series[float]) -> bool:
    """Whether the rate is at its highest at the last recorded step, and began lower."""
    return len(rates) > 1 and bool(rates.iloc[0] < rates.max() == rates.iloc[-1])


def _decayed(recording: Recording, rates: pd.Series[float]) -> int | None:
    """Return the step at which the rate had fallen for good, if that was in the first half of the run."""
    if rates.empty:
        return None
    gone = rates.index[(rates < DECAYED * rates.max()) & (rates.index > rates.idxmax())]
    return int(gone[0]) if len(gone) and gone[0] <= recording.steps["step"].max() / 2 else None


def _clipped(recording: Recording) -> dict[str, Value]:
    """Return how often clipping binds and how much it leaves, empty where that is no cause."""
    found = binding(recording)
    if found is None or not (found.share >= BINDS and found.kept < KEPT):
        return {}
    return {"share": found.share, "kept": found.kept, "n": found.n}
