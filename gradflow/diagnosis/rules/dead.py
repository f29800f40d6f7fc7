"""Weighted layers whose gradient is exactly zero, and layers that receive none."""

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
ABSENT = ("not in the graph", "no gradient")  # statuses of layers that the loss does not reach
REMEDIES = ("remedy.check_graph", "remedy.other_activation")

_IF_SEEN_AGAIN: tuple[str, Severity] = ("zero_gradient", "problem")
_IF_SEEN_ONCE: tuple[str, Severity] = ("zero_gradient_once", "notice")


def find(cases: list[Case]) -> list[Finding]:
    """Return a finding for each case with zero gradients, and for each with layers that received none."""
    findings = []
    for case in cases:
        zero = {layer for recording in case.recordings for layer in zero_layers(recording)}
        if zero:
            n_steps = min(recording.layers["step"].nunique() for recording in case.recordings)
            seen: dict[str, Value] = {"layers": len(zero), "steps": n_steps, "example": _first(case, zero)}
            key, severity = _IF_SEEN_AGAIN if n_steps >= MIN_STEPS else _IF_SEEN_ONCE
            findings.append(Finding(key, severity, case.subject, seen, "profile", remedies=REMEDIES))
        absent = {layer for recording in case.recordings for layer in absent_layers(recording)}
        if absent:
            found: dict[str, Value] = {"layers": len(absent), "example": _first(case, absent)}
            findings.append(
                Finding("no_gradient", "notice", case.subject, found, FIGURE, remedies=("remedy.check_graph",))
            )
    return findings


def zero_layers(recording: Recording) -> list[str]:
    """Return the weighted layers whose parameter gradient is exactly zero at every recorded step."""
    owners = recording.layers[recording.layers["weighted"] & recording.layers["grad_norm"].notna()]
    largest = owners.groupby("layer", sort=False)["grad_norm"].max()
    return [str(layer) for layer in largest.index[largest == 0]]


def absent_layers(recording: Recording) -> list[str]:
    """Return the layers with parameters that received no gradient at any recorded step."""
    owners = recording.layers[recording.layers["n_params"] > 0]
    absent = owners["status"].isin(ABSENT).groupby(owners["layer"], sort=False).all()
    return [str(layer) for layer in absent.index[absent]]


def _first(case: Case, layers: set[str]) -> str:
    """Return the first of the layers in execution order."""
    rows = pd.concat([recording.layers[["layer", "order"]] for recording in case.recordings])
    return str(rows[rows["layer"].isin(layers)].sort_values("order")["layer"].iloc[0])
