"""Activations that no longer pass anything on: units that are off for every example, or at the ends of their range."""

from __future__ import annotations

from gradflow.diagnosis.each_run import Found, over_runs, problem_if
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.learning import is_before_training, is_stuck, may_harm
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

FIGURE = "layers"
# A fresh ReLU layer is off for half of its inputs, a trained one for up to nine in ten; sigmoid and tanh units are at
# an end for next to none.
OFF, AT_END = 0.97, 0.8
REMEDIES = ("remedy.normalise_inputs", "remedy.init", "remedy.lower_lr", "remedy.other_activation")


def find(cases: list[Case]) -> list[Finding]:
    """Return a finding for each case with a layer whose units are off, and one for each with saturated ones."""
    off = over_runs(cases, lambda run: _found(run, "act_zero_fraction", "units_off", OFF), FIGURE)
    return off + over_runs(cases, lambda run: _found(run, "act_saturation", "units_saturated", AT_END), FIGURE)


def _found(recording: Recording, column: str, key: str, threshold: float) -> Found | None:
    rows = recording.layers.loc[recording.layers["in_grad"] & recording.layers[column].notna()]
    if rows.empty or not may_harm(recording):
        return None
    shares = rows.groupby(["step", "layer"], sort=False)[column].mean().unstack("layer")
    ends = shares.iloc[[0, -1]] if len(shares) > 1 else shares
    beyond = [layer for layer in shares if (ends[layer] >= threshold).any()]
    if not beyond:
        return None
    orders = rows.groupby("layer")["order"].min()
    first = orders.reindex(beyond).idxmin()
    over = shares.index[shares[first] >= threshold]
    values: dict[str, Value] = {
        "layer": str(first), "layers": len(beyond), "fraction": float(shares[first].max()), "step": int(over[0]),
        "threshold_percent": threshold,
    }  # fmt: skip
    severity = problem_if(is_stuck(recording) or is_before_training(recording))
    return Found(key, severity, values, f"cause.{key}", REMEDIES)
