"""Places behind which the gradient is exactly zero, or becomes so, or is next to nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gradflow.analysis.intervals import Ints
from gradflow.analysis.numbered_rows import numbered_layers
from gradflow.analysis.output_gradients import Outputs, outputs
from gradflow.analysis.remembered import remembered
from gradflow.analysis.stops import Stop, near_stop, zero_stops
from gradflow.diagnosis.finding import Finding, Severity
from gradflow.diagnosis.learning import HARMLESS, is_before_training, learning
from gradflow.diagnosis.rules.units import OFF
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.trained_layers import severity, trained_layers
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

# A zero at one step can be meant: zero-initialised heads, ReZero, Fixup, zero-initialised last batch norms
# start so and leave it after one update. Zero at every recorded step, of at least two, cannot.
MIN_STEPS = 2
# A layer that had a gradient may lose it for a step, such as an expert that no token chose; for three it is dead.
MIN_STEPS_SINCE = 3
REMEDIES = ("remedy.init", "remedy.add_norm", "remedy.lower_lr", "remedy.other_activation")
# The smallest positive values; kernels flush what lies below the normal range to zero, but not for float16.
SMALLEST = {"float16": 6e-8, "bfloat16": 1.2e-38, "float32": 1.2e-38}
SPREAD = 1e3  # the norm of a million such entries


def find(cases: list[Case]) -> list[Finding]:
    """Return at most one finding for each case of zeros, one of gradients that became zero, one of next to nothing."""
    findings = []
    for case in cases:
        for find_in in (_zero_finding, _lost_finding, _near_finding):
            found = [(recording, one) for recording in case.recordings if (one := find_in(recording)) is not None]
            if found:
                recording, (key, gravity, values, remedies) = found[0]
                runs: dict[str, Value] = {"n_runs": len(found), "runs": len(case.recordings)}
                cause = "cause.units_off" if _is_off(recording, values.get("user")) else ""
                findings.append(Finding(key, gravity, case.subject, values | runs, "profile", cause, remedies))
    return findings


def _is_off(recording: Recording, layer: Value | None) -> bool:
    """Whether a layer is a ReLU that is off for every example at the last step of which that is known."""
    rows = recording.layers
    shares = rows.loc[(rows["layer"] == layer) & rows["kind"].str.contains("ReLU"), "act_zero_fraction"].dropna()
    return bool(len(shares) and shares.iloc[-1] >= OFF)


_Found = tuple[str, Severity, dict[str, Value], tuple[str, ...]]


@remembered
def zero_layers(recording: Recording) -> list[str]:
    """Return the layers whose parameters' gradient is exactly zero at every recorded step, in execution order.

    Steps with a loss of exactly zero do not count: there is nothing left to learn from them.
    """
    rows, layers = _learning_rows(recording)
    norms = recording.layers["grad_norm"].to_numpy()
    largest = numbered_layers(recording).largest(norms, rows)
    return [layer for place, layer in layers if largest[place] == 0]


def lost_layers(recording: Recording) -> dict[str, int]:
    """Return the layers with a gradient that became exactly zero for good, and since which recorded step.

    At least the last three recorded steps must be zero. Steps with a loss of exactly zero do not count.
    """
    rows, layers = _learning_rows(recording)
    norm, of_layer = recording.layers["grad_norm"].to_numpy(), numbered_layers(recording)
    if not (norm[rows] == 0).any():
        return {}
    steps, index = np.unique(recording.layers["step"].to_numpy()[rows], return_inverse=True)
    norms = np.full((len(steps), len(of_layer.keys)), np.nan)
    np.fmax.at(norms, (index, of_layer.place[rows]), norm[rows])
    lost = {}
    for place, layer in layers:
        known, alive = ~np.isnan(norms[:, place]), np.flatnonzero(norms[:, place] > 0)
        since = steps[alive[-1] + 1 :][known[alive[-1] + 1 :]] if len(alive) else steps[:0]
        if len(since) >= MIN_STEPS_SINCE:
            lost[layer] = int(since[0])
    return lost


@remembered
def _learning_rows(recording: Recording) -> tuple[Ints, list[tuple[int, str]]]:
    """Return the rows of parameters' gradients while there is something to learn, and their layers as they run.

    A layer's place is that of `numbered_layers`.
    """
    layers = recording.layers
    is_own = layers["in_grad"] & ((layers["n_params"] > 0) | layers["weighted"]) & layers["grad_norm"].notna()
    done = _done(recording)
    rows = np.flatnonzero(is_own & ~layers["step"].isin(done) if len(done) else is_own)
    of_layer, keys = numbered_layers(recording)
    order = layers["order"].to_numpy()[rows]
    places = of_layer[rows[np.argsort(order, kind="stable")]]
    ordered = pd.unique(places).tolist()
    return rows, [(place, keys[place][0]) for place in ordered]


def _done(recording: Recording) -> pd.Series[int]:
    return recording.steps.loc[recording.steps["loss"] == 0, "step"]


def _zero_finding(recording: Recording) -> _Found | None:
    if not _has_zeros(recording):
        return None
    found = outputs(recording)
    counted = ~np.isin(found.steps, _done(recording))
    stops = [stop for stop in zero_stops(found, counted) if _separates(stop, found)]
    layers = _behind(found, found.norms[counted], zero_layers(recording))
    if not stops or not layers:
        return None
    n_steps = int(counted.sum())
    is_all = set(layers) >= set(trained_layers(recording))
    is_stuck = is_before_training(recording) and has_zero_weights(recording) and not unlocks(recording)
    if is_before_training(recording) and not is_all and unlocks(recording):
        return None
    gravity: Severity = "notice"
    if n_steps >= MIN_STEPS or is_all:
        gravity = severity(recording, layers, cuts_off=stops[0].cuts_off)
    values: dict[str, Value] = {"layers": len(layers), "example": layers[0], "steps": n_steps}
    gravity = "problem" if is_stuck else gravity
    notes = ["zero_init"] if n_steps < MIN_STEPS and has_zero_weights(recording) and not is_stuck else []
    return _at_stop("zero", stops, recording, found.measure, gravity, values, notes)


def _lost_finding(recording: Recording) -> _Found | None:
    if not _has_zeros(recording) or learning(recording) == "solved":
        return None
    lost = lost_layers(recording)
    if not lost:
        return None
    found = outputs(recording)
    counted = ~np.isin(found.steps, _done(recording))
    window = counted & (found.steps >= found.steps[counted][-MIN_STEPS_SINCE:].min())
    was_alive = {node[0] for node, norms in zip(found.nodes, found.norms.T, strict=True) if (norms[counted] > 0).any()}
    stops = [stop for stop in zero_stops(found, window) if stop.layer in was_alive and _separates(stop, found)]
    behind = _behind(found, found.norms[window], list(lost))
    values: dict[str, Value] = {"layers": len(lost), "example": next(iter(lost)), "step": min(lost.values())}
    if not stops or not behind:
        gravity = severity(recording, lost, cuts_off=False)
        return "lost_gradient", gravity, values, REMEDIES
    values |= {"layers": len(behind), "example": behind[0], "step": min(lost[layer] for layer in behind)}
    gravity = severity(recording, behind, cuts_off=stops[0].cuts_off)
    return _at_stop("lost", stops, recording, found.measure, gravity, values, [])


def _near_finding(recording: Recording) -> _Found | None:
    """Return a place behind the last layer with weights; one between two of them shows in their ratio."""
    found = outputs(recording)
    stop = near_stop(found)
    layers = [] if stop is None else trained_layers(recording)
    if stop is None or not layers or found.measure != "out_grad_norm":
        return None
    weighted = set(recording.layers.loc[recording.layers["weighted"], "layer"])
    names = [node[0] for node in found.nodes]
    if weighted & set(names[len(names) - names[::-1].index(stop.layer) :]):
        return None
    values: dict[str, Value] = {"user": stop.user, "layer": stop.layer, "there": stop.there, "here": stop.here}
    values |= {"layers": len(layers), "steps": len(found.steps), "step": int(found.steps[-1])}
    return "near_stop", "notice" if learning(recording) in HARMLESS else "problem", values, ()


def _at_stop(
    kind: str,
    stops: list[Stop],
    recording: Recording,
    measure: str,
    gravity: Severity,
    values: dict[str, Value],
    notes: list[str],
) -> _Found:
    """Return a finding that names the stop nearest to the loss."""
    stop = stops[0]
    values = values | {"layer": stop.layer, "notes": " ".join([*notes, *(["more_stops"] if len(stops) > 1 else [])])}
    if len(stops) > 1:
        values["n_more"] = len(stops) - 1
    values["measure"] = measure
    if not stop.user:
        return f"{kind}_from_loss", gravity, values, ()
    values |= {"user": stop.user, "there": stop.there}
    dtype = _underflows(recording, stop)
    if dtype:
        return f"{kind}_underflow", gravity, values | {"dtype": dtype, "smallest": SMALLEST[dtype]}, ()
    return f"{kind}_gradient_between", gravity, values, REMEDIES


def _separates(stop: Stop, found: Outputs) -> bool:
    """Whether the zeros are of a path: parameters' gradients alone say so only where all before are zero too."""
    return found.measure == "out_grad_norm" or stop.cuts_off


def _behind(found: Outputs, norms: np.ndarray[tuple[int, int], np.dtype[np.float64]], layers: list[str]) -> list[str]:
    """Return those of the layers whose output has no gradient either, or was not measured."""
    alive = {node[0] for node, column in zip(found.nodes, norms.T, strict=True) if (column > 0).any()}
    return [layer for layer in layers if layer not in alive]


def _underflows(recording: Recording, stop: Stop) -> str:
    """Return the type whose smallest value explains a zero, or ""."""
    layers = recording.layers
    dtypes = set(layers.loc[layers["layer"].isin([stop.layer, stop.user]), "dtype"]) & set(SMALLEST) or {"float32"}
    return next((dtype for dtype in SMALLEST if dtype in dtypes and 0 < stop.there < SPREAD * SMALLEST[dtype]), "")


@remembered
def _has_zeros(recording: Recording) -> bool:
    """Whether any gradient is exactly zero: most runs have none, and a look at two columns says so."""
    return any((recording.layers[name].to_numpy() == 0).any() for name in ("grad_norm", "out_grad_norm"))


@remembered
def unlocks(recording: Recording) -> bool:
    """Whether weights that start at zero have a gradient: what they hold back then gets one at the next step."""
    parameters = recording.parameters
    is_bias = parameters["parameter"].str.endswith("bias")
    return bool((~is_bias & (parameters["weight_norm"] == 0) & (parameters["grad_norm"] > 0)).any())


@remembered
def has_zero_weights(recording: Recording) -> bool:
    """Whether weights, which are no biases, were recorded as exactly zero."""
    parameters = recording.parameters
    is_bias = parameters["parameter"].str.endswith("bias")
    of_layers = recording.layers.loc[recording.layers["n_params"] > 0, "weight_norm"]
    return bool((of_layers == 0).any() or (parameters.loc[~is_bias, "weight_norm"] == 0).any())
