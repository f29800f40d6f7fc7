"""A first update that makes the loss of its own batch worse: the learning rate is too high."""

from __future__ import annotations

import math
from collections.abc import Mapping

from gradflow.diagnosis.beginning import as_number
from gradflow.diagnosis.each_run import Found, each_run
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

# Times the loss before. Of eight networks on digits, with SGD and AdamW over four decades of rates, none that trained
# about as well as at smaller rates came beyond (ResNet-110 at 0.02, which trains, 5.2; ResNet-56 at 0.05 7.6); most of
# those that did not train, or ended with ten times the loss, did.
RISE = 8.0
REMEDIES = ("remedy.lower_lr", "remedy.warmup")  # the first one with its number, where the rate that fits is known


@each_run("training")
def find(recording: Recording) -> Found | None:
    """Return a problem where the first update was tried on a copy and overshot; only the doctor tries."""
    meta = recording.meta.get("first_update")
    if not isinstance(meta, Mapping):
        return None
    lr, before, after, fits = (as_number(meta.get(name)) for name in ("lr", "before", "after", "fits"))
    if not (math.isfinite(before) and before > 0 and lr > 0) or after <= RISE * before:
        return None
    momentum = as_number(meta.get("momentum"))
    carried: dict[str, Value] = {"notes": "carried_on", "momentum": momentum} if momentum > 0 else {}
    values: dict[str, Value] = {"lr": lr, "before": before, "after": after, "threshold": RISE, **carried}
    if math.isnan(fits):
        return Found("step_overshoots", "problem", values, "cause.overshoot", REMEDIES)
    return Found("step_overshoots_here", "problem", values | {"fits": fits}, "cause.overshoot", REMEDIES[1:])
