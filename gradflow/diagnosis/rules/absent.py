"""Layers that no gradient reaches: cut off from the loss, run without gradients, or never called."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from gradflow.diagnosis.each_run import Found, by_first, problem_if
from gradflow.diagnosis.finding import Finding, Severity
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.trained_layers import is_half, is_left_out, own_rows, trained_layers
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

NOT_USED, CUT_OFF, WITHOUT_GRADIENTS, OUTSIDE, NO_TENSOR, NOT_CALLED = (
    "not of the loss", "no gradient", "called without gradients", "not in the graph", "no tensor", "not called"
)  # fmt: skip
ABSENT = (NOT_USED, CUT_OFF, WITHOUT_GRADIENTS, OUTSIDE, NO_TENSOR, NOT_CALLED)
REMEDIES = ("remedy.check_graph",)
# Which sentence says so of layers before the first with a gradient, and which of others.
_CUTS = {CUT_OFF: "cut_off", WITHOUT_GRADIENTS: "cut_off_no_grad", OUTSIDE: "cut_off_outside"}
_ASIDE = {
    NOT_USED: "not_of_the_loss",
    CUT_OFF: "unused",
    WITHOUT_GRADIENTS: "without_gradients",
    OUTSIDE: "no_gradient",
    NO_TENSOR: "no_gradient",
    NOT_CALLED: "not_called",
}


def find(cases: list[Case]) -> list[Finding]:
    """Return a finding for each way in which layers of a case are without gradient at all recorded steps."""
    return by_first(cases, _found, "coverage")


def absent_layers(recording: Recording) -> dict[str, str]:
    """Return the trained layers that received no gradient at any recorded step, in execution order, and why.

    Where the reasons of several steps and calls differ, the one that is nearest to a gradient counts.
    """
    if not _may_be_absent(recording):
        return {}
    rows = own_rows(recording, "layer", "status", "grad_norm")
    is_absent = rows["status"].isin(ABSENT) & rows["grad_norm"].isna()
    places = rows["status"].map({status: place for place, status in enumerate(ABSENT)})
    of_layer = pd.DataFrame({"layer": rows["layer"], "absent": is_absent, "place": places})
    frame = of_layer.groupby("layer", sort=False).agg({"absent": "all", "place": "min"})
    reasons = {str(layer): ABSENT[int(place)] for layer, place in frame.loc[frame["absent"], "place"].items()}
    return {layer: reasons[layer] for layer in trained_layers(recording) if layer in reasons}


def _may_be_absent(recording: Recording) -> bool:
    """Whether a layer with parameters is without gradient anywhere, as in few runs: words are looked at there alone."""
    layers = recording.layers
    is_without = layers["in_grad"] & ((layers["n_params"] > 0) | layers["weighted"]) & layers["grad_norm"].isna()
    return bool(is_without.any()) and bool(layers.loc[is_without, "status"].isin(ABSENT).any())


def _found(recording: Recording) -> list[Found]:
    absent = absent_layers(recording)
    if not absent:
        return []
    trained = trained_layers(recording)
    if len(absent) == len(trained):
        return [Found("no_gradient_anywhere", "problem", _values(trained), remedies=REMEDIES)]
    before = _before_the_first(recording, absent, trained)
    found: list[Found] = []
    if before:
        reason = next(reason for reason in (WITHOUT_GRADIENTS, OUTSIDE, CUT_OFF) if reason in map(absent.get, before))
        user = next(layer for layer in trained if layer not in absent)
        gravity: Severity = "notice" if is_left_out(recording, before) else "problem"
        values = _values(before) | {"last": before[-1], "user": user}
        found.append(Found(_CUTS[reason], gravity, values, remedies=REMEDIES))
    for reason in ABSENT:
        layers = [layer for layer, why in absent.items() if why == reason and layer not in before]
        if layers:
            wanted = is_half(recording, layers) and not is_left_out(recording, layers)
            found.append(Found(_ASIDE[reason], problem_if(wanted), _values(layers), remedies=REMEDIES))
    return found


def _before_the_first(recording: Recording, absent: dict[str, str], trained: Sequence[str]) -> list[str]:
    """Return the absent layers that ran before the first trained one with a gradient.

    Recordings without a table of parameters do not tell a layer that ran outside the graph from one that never ran.
    """
    first = next(place for place, layer in enumerate(trained) if layer not in absent)
    ran = {CUT_OFF, WITHOUT_GRADIENTS} | ({OUTSIDE} if len(recording.parameters) else set())
    orders = recording.layers.groupby("layer")["order"].max()
    return [layer for layer in trained[:first] if absent[layer] in ran and orders[layer] >= 0]


def _values(layers: Sequence[str]) -> dict[str, Value]:
    return {"layers": len(layers), "example": layers[0]}
