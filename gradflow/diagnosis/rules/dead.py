"""Weighted layers whose gradient is or becomes exactly zero, and layers that receive none."""

from __future__ import annotations

import pandas as pd

from gradflow.diagnosis.cases import Case
from gradflow.diagnosis.finding import Finding, Severity
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

FIGURE = "coverage"
# A zero at one step can be meant: zero-initialised heads, ReZero, Fixup, zero-initialised last batch norms
# start so and leave it after one update. Zero at every recorded step, of at least two, cannot.
MIN_STEPS = 2
# A layer that had a gradient may lose it for a step, such as an expert that no token chose; for three it is dead.
MIN_STEPS_SINCE = 3
ABSENT = ("not in the graph", "no gradient")  # statuses of layers that the loss does not reach
REMEDIES = ("remedy.check_graph", "remedy.other_activation")

_IF_SEEN_AGAIN: tuple[str, Severity] = ("zero_gradient", "problem")
_IF_SEEN_ONCE: tuple[str, Severity] = ("zero_gradient_once", "notice")


def find(cases: list[Case]) -> list[Finding]:
    """Return a finding for each case with zero gradients, with gradients that became zero, and with layers without."""
    findings = []
    for case in cases:
        zero = {layer for recording in case.recordings for layer in zero_layers(recording)}
        if zero:
            n_steps = min(recording.layers["step"].nunique() for recording in case.recordings)
            seen: dict[str, Value] = {"layers": len(zero), "steps": n_steps, "example": _first(case, zero)}
            key, severity = _IF_SEEN_AGAIN if n_steps >= MIN_STEPS else _IF_SEEN_ONCE
            findings.append(Finding(key, severity, case.subject, seen, "profile", remedies=REMEDIES))
        gone = [lost for recording in case.recordings if (lost := lost_layers(recording))]
        if gone:
            layers = {layer for lost in gone for layer in lost}
            since = min(step for lost in gone for step in lost.values())
            left: dict[str, Value] = {"layers": len(layers), "step": since, "example": _first(case, layers)}
            findings.append(Finding("lost_gradient", "problem", case.subject, left, "profile", remedies=REMEDIES))
        absent = {layer for recording in case.recordings for layer in absent_layers(recording)}
        if absent:
            found: dict[str, Value] = {"layers": len(absent), "example": _first(case, absent)}
            findings.append(
                Finding("no_gradient", "notice", case.subject, found, FIGURE, remedies=("remedy.check_graph",))
            )
    return findings


def zero_layers(recording: Recording) -> list[str]:
    """Return the weighted layers whose parameter gradient is exactly zero at every recorded step."""
    if not _has_zeros(recording):
        return []
    owners = recording.layers[recording.layers["weighted"] & recording.layers["grad_norm"].notna()]
    largest = owners.groupby("layer", sort=False)["grad_norm"].max()
    return [str(layer) for layer in largest.index[largest == 0]]


def lost_layers(recording: Recording) -> dict[str, int]:
    """Return the weighted layers with a gradient that became exactly zero for good, and since which recorded step.

    At least the last three recorded steps must be zero. Steps with a loss of exactly zero do not count: there is
    nothing left to learn from them.
    """
    if not _has_zeros(recording):
        return {}
    done = recording.steps.loc[recording.steps["loss"] == 0, "step"]
    layers = recording.layers
    owners = layers[layers["weighted"] & layers["grad_norm"].notna() & ~layers["step"].isin(done)]
    norms = owners.groupby(["layer", "step"], sort=True)["grad_norm"].max().unstack("layer")
    lost = {}
    for layer, column in norms.items():
        known = column.dropna()
        alive = known.index[known > 0]
        since = known.index[known.index > alive.max()]  # none after the maximum of none, which is NaN
        if len(since) >= MIN_STEPS_SINCE:
            lost[str(layer)] = int(since[0])
    return lost


def absent_layers(recording: Recording) -> list[str]:
    """Return the layers with parameters that received no gradient at any recorded step."""
    missing = recording.layers["status"].isin(ABSENT)
    if not missing.any():
        return []
    owners = recording.layers[recording.layers["n_params"] > 0]
    absent = missing[owners.index].groupby(owners["layer"], sort=False).all()
    return [str(layer) for layer in absent.index[absent]]


def _has_zeros(recording: Recording) -> bool:
    """Whether any gradient is exactly zero: most runs have none, and a look at one column says so."""
    return bool((recording.layers["grad_norm"].to_numpy() == 0).any())


def _first(case: Case, layers: set[str]) -> str:
    """Return the first of the layers in execution order."""
    rows = pd.concat([recording.layers[["layer", "order"]] for recording in case.recordings])
    return str(rows[rows["layer"].isin(layers)].sort_values("order")["layer"].iloc[0])
