"""Parameters without gradient, or with one that is exactly zero, in layers whose output has one."""

from __future__ import annotations

import pandas as pd

from gradflow.analysis.output_gradients import outputs
from gradflow.analysis.stops import zero_stops
from gradflow.diagnosis.each_run import Found, by_first
from gradflow.diagnosis.finding import Finding, Severity
from gradflow.diagnosis.learning import is_before_training
from gradflow.diagnosis.rules.dead import MIN_STEPS, has_zero_weights, unlocks, zero_layers
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.trained_layers import is_left_out, named, own_rows, severity
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

KEYS = ["layer", "parameter", "part"]


def find(cases: list[Case]) -> list[Finding]:
    """Return findings for each case on parameters that get nothing although their layer's output has a gradient."""
    return by_first(cases, _found, "coverage")


def _found(recording: Recording) -> list[Found]:
    parameters = recording.parameters
    is_trained = parameters["status"] != "frozen"
    if not is_trained.any():
        return _zero_layers(recording)
    done = recording.steps.loc[recording.steps["loss"] == 0, "step"]
    rows = parameters.loc[is_trained & ~parameters["step"].isin(done), ["step", *KEYS, "dim", "grad_norm", "status"]]
    return [*_missing(recording, rows), *_zero(recording, rows)]


def _missing(recording: Recording, rows: pd.DataFrame) -> list[Found]:
    """Return what has no `.grad` at any recorded step although the layer's output has a gradient."""
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
    values = _values([full_name(layer, parameter) for layer, parameter in missing], rows)
    return [Found("parameter_without_gradient", gravity, values, "cause.detached_parameter")]


def _zero(recording: Recording, rows: pd.DataFrame) -> list[Found]:
    """Return what has a gradient of exactly zero at every recorded step although the layer's output has one."""
    if not (rows["grad_norm"] == 0).any():
        return []
    measured = rows[rows["grad_norm"].notna()]
    frame = measured.groupby(KEYS, sort=False).agg(largest=("grad_norm", "max"), dim=("dim", "max")).reset_index()
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
            values |= {"parameter": str(taken["parameter"].iloc[0]), "steps": rows["step"].nunique()}
            found.append(Found(key, gravity, values))
            zero = zero[~zero["layer"].isin(layers)]
    if len(zero) and not (is_before_training(recording) and unlocks(recording)):
        names = [full_name(*key) for key in zero[KEYS].itertuples(index=False)]
        found.append(_zero_finding(recording, names, set(zero["layer"]), rows))
    return found


def _zero_finding(recording: Recording, names: list[str], layers: set[str], rows: pd.DataFrame) -> Found:
    values = _values(names, rows)
    is_seen_once = rows["step"].nunique() < MIN_STEPS
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
    found = _zero_finding(recording, layers, set(layers), own_rows(recording, "step"))
    return [found._replace(key="zero_gradient", values={**found.values, "layers": len(layers)})]


def _alive(recording: Recording) -> set[str]:
    """Return the layers whose output has a gradient."""
    rows = recording.layers[recording.layers["in_grad"]]
    return set(rows.loc[rows["out_grad_norm"] > 0, "layer"].unique())


def _unmeasured(recording: Recording) -> set[str]:
    """Return the layers whose output was not measured, where no zeros at outputs explain theirs."""
    found = outputs(recording)
    if any(stop.cuts_off or found.measure == "out_grad_norm" for stop in zero_stops(found, found.steps >= 0)):
        return set()
    rows = recording.layers
    return set(rows["layer"].unique()) - set(rows.loc[rows["out_grad_norm"].notna(), "layer"].unique())


def _behind_dead_inputs(recording: Recording) -> set[str]:
    """Return the layers that use what comes through a place where the gradient stops, such as dead units.

    Their input may be zero, and with it the gradient of their weights: one fault, which the stop names.
    """
    found = outputs(recording)
    users = {stop.user for stop in zero_stops(found, found.steps >= 0)}
    after = {user[0] for node in found.nodes if node[0] in users for user in found.users.get(node, ())}
    return users | after


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


def _values(names: list[str], rows: pd.DataFrame) -> dict[str, Value]:
    return {"parameters": len(names), "example": named(names), "steps": int(rows["step"].nunique())}


def full_name(layer: str, parameter: str, part: str = "") -> str:
    """Return PyTorch's dotted name; a parameter that is a layer of its own has its layer's."""
    whole = layer if layer == parameter or layer.endswith(f".{parameter}") else f"{layer}.{parameter}"
    whole = whole.removeprefix("(root).")
    return f"{whole} ({part})" if part else whole
