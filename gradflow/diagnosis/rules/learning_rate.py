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
from gradflow.diagnosis.learning import HARMLESS, MIN_STEPS, Losses, is_stuck, is_unfitted, learning, losses
from gradflow.diagnosis.movement import has_first_steps, movement
from gradflow.diagnosis.rules.dead import lost_layers
from gradflow.diagnosis.rules.loss_level import has_risen
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

FIGURE = "updates"
EARLY, GREW, JUMPED = "early_updates", "loss_grew", "jumped"  # notes: what the finding rests on
# Updates of healthy runs move a weight by 0.1 % to 4 % of its length in the first steps.
HIGH = 0.1
JUMP = 2.0  # times the first loss: the most of a healthy run with updates that large is 1.03
GROWN = 100.0  # times the first loss
WAVE, WAVE_TIMES = 0.3, 3.0  # a rise again: as a share of the first loss, and times the lowest before
PARTS, MIN_PART = 40, 5  # of which a median is taken each, and losses in one
# A weight that has not moved by so much of its length, there and back, is the one it was.
LOW = 0.05
# Adam's first moments and SGD's momentum of 0.99 carry an update on over a hundred steps.
LONG_MOMENTUM = 0.99
DECAYED = 1e-2  # of the largest learning rate, before half of the steps are over
STAYS = 0.9  # of the loss when the rate had fallen: what is above that hardly fell any more
BINDS = 0.9  # of the steps
KEPT = 0.1  # of the gradient, behind clipping
FRESH_SHARE = 0.6  # of a constant answer's loss: an end above it is no trained network's


def find(cases: list[Case]) -> list[Finding]:
    """Return at most one finding for each case of updates that are too large, and one of too small ones."""
    return [*over_runs(cases, _too_high, FIGURE), *over_runs(cases, _too_low, FIGURE)]


def _too_high(recording: Recording) -> Found | None:
    jump, is_lost, wavers = _jump(recording), _loses_gradients(recording), _wavers(recording)
    if not (is_unfitted(recording) or has_risen(recording) or jump > JUMP or is_lost or wavers):
        return None
    moved = movement(recording)
    if moved is None:
        return None
    early = max(one for one in (0.0, moved.first, moved.early) if math.isfinite(one))  # a head of zeros begins infinite
    values: dict[str, Value] = {"early": early, "largest": moved.largest, "threshold_percent": HIGH}
    momentum = optimizer_settings(recording).get("momentum", 0)
    is_stopped = is_unfitted(recording) or has_risen(recording) or wavers
    course = _course(recording)
    values |= course
    if isinstance(momentum, int | float) and momentum >= LONG_MOMENTUM and moved.path > LOW and is_stopped:
        reach = round(1 / (1 - momentum)) if momentum < 1 else 0
        return Found("momentum_high", "problem", values | {"momentum": float(momentum), "reach": reach}, "",
                     ("remedy.less_momentum",))  # fmt: skip
    if not early > HIGH:
        grown = _grown(recording)
        if not grown:
            return None
        values |= grown | {"notes": f"{GREW} {course['notes']}"}
    elif learning(recording) == "diverged" or is_stuck(recording) or has_risen(recording):
        values["notes"] = f"{EARLY} {course['notes']}"
    elif jump > JUMP:
        values |= {"jump": jump, "notes": f"{EARLY} {JUMPED}"}
    elif is_lost:
        values["notes"] = EARLY
    else:
        return None
    return Found("lr_high", "problem", values, "cause.overshoot", ("remedy.lower_lr", "remedy.warmup"))


def _course(recording: Recording) -> dict[str, Value]:
    """Return where the loss began and ended, and the name of the sentence that says it."""
    found = losses(recording)
    if found is None or learning(recording) == "diverged":
        return {"notes": "not_finite"}
    return {"begin": found.first, "end": found.last, "notes": "course"}


def _grown(recording: Recording) -> dict[str, Value]:
    """Return how far the loss grew, where it ended far above its start, NaN or infinite; empty if it did so at once."""
    found = losses(recording)
    if found is None or not has_risen(recording) or not has_first_steps(recording):
        return {}
    steps = recording.steps[np.isfinite(recording.steps["loss"])]
    highest = steps.loc[steps["loss"].idxmax()]
    if not highest["loss"] > GROWN * abs(found.start):
        return {}
    return {"begin": found.start, "grown": float(highest["loss"]), "grown_step": int(highest["step"])}


def _loses_gradients(recording: Recording) -> bool:
    """Whether a gradient became exactly zero in training, and there is something left to learn."""
    return learning(recording) != "solved" and bool(lost_layers(recording))


def _wavers(recording: Recording) -> bool:
    """Whether the loss rose again by much, and to several times what it had been; by medians of parts of the steps."""
    found, loss = losses(recording), recording.steps["loss"].to_numpy(dtype=np.float64)
    loss = loss[np.isfinite(loss)]
    if found is None or len(loss) < MIN_STEPS:
        return False
    parts = np.array_split(loss, min(PARTS, len(loss) // MIN_PART))
    level = np.array([np.median(part) for part in parts])
    lowest = np.minimum.accumulate(level)
    return bool(((level - lowest > WAVE * abs(found.first)) & (level > WAVE_TIMES * lowest)).any())


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
    if (gone := _decayed(recording, rates)) is not None:
        after = _losses_after(recording, gone)
        if after is not None and (is_unfitted(recording) or after.last > STAYS * after.first):
            decayed: dict[str, Value] = {"step": gone, "share": DECAYED, "begin": after.first, "end": after.last}
            remedies = ("remedy.slower_decay",)
            return Found("lr_decays", problem_if(is_unfitted(recording)), values | decayed, "", remedies)
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


def _losses_after(recording: Recording, step: int) -> Losses | None:
    """Return where the losses from a step on began and ended."""
    steps = recording.steps
    return losses(Recording(steps=steps[steps["step"] >= step], meta=recording.meta))


def _clipped(recording: Recording) -> dict[str, Value]:
    """Return how often clipping binds and how much it leaves, empty where that is no cause."""
    found = binding(recording)
    if found is None or not (found.share >= BINDS and found.kept < KEPT):
        return {}
    return {"share": found.share, "kept": found.kept, "n": found.n}
