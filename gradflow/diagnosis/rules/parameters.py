"""Parameters without gradient, or with one that is exactly zero, in layers whose output has one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gradflow.analysis.numbered_rows import numbered_layers, numbered_parameters
from gradflow.analysis.output_gradients import outputs
from gradflow.analysis.remembered import remembered
from gradflow.analysis.stops import Stop, zero_stops
from gradflow.diagnosis.each_run import Found, by_first
from gradflow.diagnosis.finding import Finding, Severity
from gradflow.diagnosis.learning import is_before_training
from gradflow.diagnosis.rules.dead import MIN_STEPS, has_zero_weights, unlocks, zero_layers
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.trained_layers import is_left_out, named, own_rows, severity
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

KEYS = ["layer", "parameter", "part"]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


def find(cases: list[Case]) -> list[Finding]:
    """Return findings for each case on parameters that get nothing although their layer's output has a gradient."""
    return by_first(cases, _found, "coverage")


def _found(recording: Recording) -> list[Found]:
    parameters = recording.parameters
    is_trained = parameters["status"] != "frozen"
    if not is_trained.any():
        return _zero_layers(recording)
    if not (parameters["status"] == "no gradient").any() and not (parameters["grad_norm"] == 0).any():
        return []  # as of most runs, and what follows looks at every row
    done = recording.steps.loc[recording.steps["loss"] == 0, "step"]
    is_looked_at = (is_trained & ~parameters["step"].isin(done)).to_numpy(dtype=bool)
    n_steps = len(np.unique(parameters["step"].to_numpy()[is_looked_at]))
    return [*_missing(recording, is_looked_at, n_steps), *_zero(recording, is_looked_at, n_steps)]


def _missing(recording: Recording, is_looked_at: Flags, n_steps: int) -> list[Found]:
    """Return what has no `.grad` at any recorded step although the layer's output has a gradient."""
    rows = recording.parameters.loc[is_looked_at, ["layer", "parameter", "status"]]
    is_missing = rows["status"] == "no gradient"
    if not is_missing.any():
        return []
    has_none = is_missing.groupby([rows["layer"], rows["parameter"]], sort=False).all()
    alive = _alive(recording)
    missing = [pair for pair in has_none.index[has_none] if pair[0] in alive]
    if not missing:
        return []
    if has_none.all():
        return [Found("no_parameter_gradient", "problem", {"parameters": len(missing)})]
    layers = {layer for layer, _ in missing}
    gravity: Severity = "notice" if is_left_out(recording, layers) else "problem"
    values = _values([full_name(layer, parameter) for layer, parameter in missing], n_steps)
    return [Found("parameter_without_gradient", gravity, values, "cause.detached_parameter")]


def _zero(recording: Recording, is_looked_at: Flags, n_steps: int) -> list[Found]:
    """Return what has a gradient of exactly zero at every recorded step although the layer's output has one."""
    norm = recording.parameters["grad_norm"].to_numpy()
    if not (norm[is_looked_at] == 0).any():
        return []
    of, measured = numbered_parameters(recording), is_looked_at & ~np.isnan(norm)
    places = pd.unique(of.place[measured])
    frame = pd.DataFrame([of.keys[place] for place in places.tolist()], columns=KEYS)
    dim = of.largest(recording.parameters["dim"].to_numpy(), measured)
    frame = frame.assign(largest=of.largest(norm, measured)[places], dim=dim[places])
    is_whole = frame["part"] == ""
    zero = frame[(frame["largest"] == 0) & (is_whole | (frame["dim"] >= 2))]
    moved = set(frame.loc[frame["largest"] > 0, "layer"])
    # A bias beside a weight with a gradient is a shift that a softmax or a norm removes: zero by construction.
    zero = zero[~(zero["parameter"].str.contains("bias") & zero["layer"].isin(moved))]
    zero = zero[zero["layer"].isin(_alive(recording) | _unmeasured(recording))]
    zero = zero[~zero["layer"].isin(_behind_dead_inputs(recording))]
    found: list[Found] = []
    recurrent = _recurrent(zero, frame)
    is_reverse = recurrent["parameter"].str.endswith("_reverse")
    both = recurrent["layer"].isin(recurrent.loc[~is_reverse, "layer"])
    for key, taken in (
        ("attention_one_token", _queries(zero)),
        ("recurrent_one_step", recurrent[both]),
        ("reverse_one_step", recurrent[~both]),
    ):
        if len(taken):
            layers = list(dict.fromkeys(taken["layer"]))
            gravity: Severity = severity(recording, layers, cuts_off=False)
            gravity = "notice" if key == "reverse_one_step" else gravity
            values: dict[str, Value] = {"layers": len(layers), "example": named(layers, 1)}
            values |= {"parameter": str(taken["parameter"].iloc[0]), "steps": n_steps}
            found.append(Found(key, gravity, values))
            zero = zero[~zero["layer"].isin(layers)]
    if len(zero) and not (is_before_training(recording) and unlocks(recording)):
        names = [full_name(*key) for key in zero[KEYS].itertuples(index=False)]
        found.append(_zero_finding(recording, names, set(zero["layer"]), n_steps))
    return found


def _zero_finding(recording: Recording, names: list[str], layers: set[str], n_steps: int) -> Found:
    values = _values(names, n_steps)
    is_seen_once = n_steps < MIN_STEPS
    values["notes"] = "zero_init" if is_seen_once and has_zero_weights(recording) else ""
    gravity: Severity = "notice" if is_seen_once else severity(recording, layers, cuts_off=False)
    return Found("zero_parameters", gravity, values)


def _zero_layers(recording: Recording) -> list[Found]:
    """Return the same of layers, for recordings that hold no parameters."""
    zero = zero_layers(recording)
    if not zero:  # as of most runs, and what follows looks at every row
        return []
    looked_at = (_alive(recording) | _unmeasured(recording)) - _behind_dead_inputs(recording)
    layers = [layer for layer in zero if layer in looked_at]
    if not layers:
        return []
    found = _zero_finding(recording, layers, set(layers), own_rows(recording, "step")["step"].nunique())
    return [found._replace(key="zero_gradient", values={**found.values, "layers": len(layers)})]


@remembered
def _alive(recording: Recording) -> set[str]:
    """Return the layers whose output has a gradient."""
    layers, (place, keys) = recording.layers, numbered_layers(recording)
    has_gradient = layers["in_grad"].to_numpy() & (layers["out_grad_norm"].to_numpy() > 0)
    return {keys[number][0] for number in np.unique(place[has_gradient]).tolist()}


def _unmeasured(recording: Recording) -> set[str]:
    """Return the layers whose output was not measured, where no zeros at outputs explain theirs."""
    if any(stop.cuts_off or outputs(recording).measure == "out_grad_norm" for stop in _stops(recording)):
        return set()
    rows = recording.layers
    return set(rows["layer"].unique()) - set(rows.loc[rows["out_grad_norm"].notna(), "layer"].unique())


def _behind_dead_inputs(recording: Recording) -> set[str]:
    """Return the layers that use what comes through a place where the gradient stops, such as dead units.

    Their input may be zero, and with it the gradient of their weights: one fault, which the stop names.
    """
    found = outputs(recording)
    users = {stop.user for stop in _stops(recording)}
    after = {user[0] for node in found.nodes if node[0] in users for user in found.users.get(node, ())}
    return users | after


@remembered
def _stops(recording: Recording) -> list[Stop]:
    """Return where the gradient is zero at all recorded steps."""
    found = outputs(recording)
    return zero_stops(found, found.steps >= 0)


def _queries(zero: pd.DataFrame) -> pd.DataFrame:
    """Return the fused projections of which the rows of queries and of keys are zero, and those of values are not."""
    parts = zero.groupby(["layer", "parameter"])["part"].transform(lambda parts: set(parts) == {"q", "k"})
    return zero[parts.astype(bool)]


def _recurrent(zero: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the hidden-to-hidden weights that are zero in all their parts."""
    mine = zero[zero["parameter"].str.startswith("weight_hh")]
    n_parts = frame.groupby(["layer", "parameter"])["part"].size()
    n_zero = mine.groupby(["layer", "parameter"])["part"].transform("size")
    wanted = [n_parts[key] for key in zip(mine["layer"], mine["parameter"], strict=True)]
    return mine[n_zero == wanted]


def _values(names: list[str], n_steps: int) -> dict[str, Value]:
    return {"parameters": len(names), "example": named(names), "steps": n_steps}


def full_name(layer: str, parameter: str, part: str = "") -> str:
    """Return PyTorch's dotted name; a parameter that is a layer of its own has its layer's."""
    whole = layer if layer == parameter or layer.endswith(f".{parameter}") else f"{layer}.{parameter}"
    whole = whole.removeprefix("(root).")
    return f"{whole} ({part})" if part else whole
