"""What a finding says of a gradient's two ends: which layers they are, how far apart, and what explains it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from gradflow import theory
from gradflow.analysis.numbered_rows import between
from gradflow.analysis.path_ends import Node, has_shortcut
from gradflow.diagnosis.finding import Finding, Severity
from gradflow.diagnosis.first_last_ratio import DECADES, Beyond, Ends
from gradflow.diagnosis.learning import is_before_training, is_unfitted, severity
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.wording import Value

FIGURE = "profile"
# Activations by their class in PyTorch, with their name in gradflow.theory; empty where there is no closed form.
ACTIVATIONS: Mapping[str, str] = {
    "ReLU": "relu",
    "LeakyReLU": "leaky-relu",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "GELU": "gelu",
    "SiLU": "silu",
    "ELU": "elu",
    "SELU": "selu",
    "Softplus": "softplus",
    "Hardtanh": "",
    "Hardsigmoid": "",
    "Hardswish": "",
    "LogSigmoid": "",
    "Mish": "",
    "PReLU": "",
    "ReLU6": "",
    "Softsign": "",
}


def findings_at_ends(
    key: str, sign: int, cases: list[Case], cause_of: Callable[[Case], str], remedies: tuple[str, ...]
) -> list[Finding]:
    """Return a finding for each case and time with a path that shrinks (sign -1) or grows (1) too much.

    Before training, what is no problem by itself is left out: networks that train have it.
    """
    found = [
        (case, _finding(key, case, ends, beyond, cause_of(case), remedies))
        for case in cases
        for ends in (case.start, case.end)
        if ends and (beyond := ends.beyond(sign))
    ]
    return [
        one for case, one in found if one.severity == "problem" or not all(map(is_before_training, case.recordings))
    ]


def _finding(key: str, case: Case, found: Ends, beyond: Beyond, cause: str, remedies: tuple[str, ...]) -> Finding:
    """Return what a rule found at a gradient's two ends; it is as grave as in the run that it harms most."""
    grave = {
        severity(run.learning, path.decades, is_high=is_unfitted(run.recording))
        for run in beyond.hit
        for path in run.paths
        if path.decades * beyond.worst.decades > 0 and abs(path.decades) > DECADES
    }
    level: Severity = "problem" if "problem" in grave else "notice"
    counts: dict[str, Value] = {"n_runs": len(beyond.hit), "runs": len(case.recordings)}
    explained = {} if (key, level) in case.told else _explained(case, found, beyond)
    values = {**ends_values(found, beyond), **counts, **explained}
    cause = cause if "factor" in values else ""
    # What helps a stack of layers was tried on no sudden loss, and on no chain of calls.
    is_stack = "before" not in values and ("layers" in values or "factor" not in values)
    remedies = remedies if is_stack else ()
    return Finding(key, level, case.subject, values, FIGURE, cause, remedies)


def ends_values(found: Ends, beyond: Beyond) -> dict[str, Value]:
    """Return when, of what and between which layers, and the decades."""
    return {
        "when": found.when,
        "step": found.step,
        "measure": found.measure,
        "decades": beyond.decades,
        "worst": beyond.worst.decades,
        "threshold": DECADES,
        "placed": int(found.is_placed),
        **_node("first", beyond.worst.first, beyond),
        **_node("last", beyond.worst.last, beyond),
    }


def activation(beyond: Beyond) -> str:
    """Return the class of the activations on the way, empty where there is none, or are several."""
    kinds = beyond.kinds & ACTIVATIONS.keys()
    return kinds.pop() if len(kinds) == 1 else ""


def _node(name: str, node: Node, beyond: Beyond) -> dict[str, Value]:
    """Return a layer, and the number of its call where that tells it from others."""
    layer, call = node
    is_one_of_many = sum(other == layer for other, _ in beyond.run.flow.norms) > 1
    return {name: layer, f"{name}_call": call} if is_one_of_many else {name: layer}


def _explained(case: Case, found: Ends, beyond: Beyond) -> dict[str, Value]:
    """Return the factor per layer with its activation and closed form, or between which layers most is lost."""
    if beyond.factor.n:
        values: dict[str, Value] = {"factor": beyond.factor}
        if beyond.layers == 0:
            return values
        values["layers"] = beyond.layers
        if name := activation(beyond):
            values["activation"] = name
            predicted = _closed_form(case, found, beyond, ACTIVATIONS[name])
            values |= {} if math.isnan(predicted) else {"predicted": predicted}
        return values
    lost = beyond.lost
    if lost is None:
        return {}
    return {
        **_node("before", lost.before, beyond),
        **_node("behind", lost.behind, beyond),
        "lost_decades": lost.decades,
    }


def _closed_form(case: Case, found: Ends, beyond: Beyond, name: str) -> float:
    """Return the closed form's factor per layer, NaN where what it assumes is not known to hold.

    It holds before training, without norms and skips, for square fully connected layers, whose variances are those of
    their recorded weights.
    """
    is_plain = not any("Norm" in kind for kind in beyond.kinds) and not has_shortcut(beyond.run.recording)
    if not name or beyond.worst.kind != "path" or found.measure != "out_grad_norm" or found.step != 0 or not is_plain:
        return math.nan
    variances = _variances(beyond)
    if variances is None:
        return math.nan
    return math.sqrt(theory.chi(name, *variances))


def _variances(beyond: Beyond) -> tuple[float, float] | None:
    """Return fan_in Var[w] and Var[b] of the path's square layers; None unless most of its layers are known squares."""
    parameters = between(beyond.run.recording.parameters, 0, 0)
    names = {node[0] for node in beyond.run.flow.between(beyond.worst.first, beyond.worst.last)}
    own = parameters[parameters["layer"].isin(names) & (parameters["part"] == "")]
    own = own[own["weight_norm"].notna()]
    weights = own[own["parameter"].eq("weight") & own["dim"].eq(2)]
    widths = weights["n_entries"].map(math.isqrt)
    squares = weights[widths**2 == weights["n_entries"]].assign(width=widths)
    if len(squares) < 3 or squares["width"].nunique() != 1:
        return None
    width = int(squares["width"].iloc[0])
    biases = own[own["parameter"].eq("bias") & own["layer"].isin(squares["layer"])]
    weight_variance = float((squares["weight_norm"] ** 2).mean()) / width
    bias_variance = float((biases["weight_norm"] ** 2).sum()) / len(squares) / width
    return weight_variance, bias_variance
