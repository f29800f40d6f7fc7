"""Initial weights that do not suit the activation: by theory the gradient is lost, or grows, within the network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from gradflow import theory
from gradflow.diagnosis.each_run import Found, each_run
from gradflow.diagnosis.first_last_ratio import DECADES, MIN_STAGE
from gradflow.diagnosis.learning import severity
from gradflow.diagnosis.ratio_findings import ACTIVATIONS
from gradflow.diagnosis.recorded_structure import ACTIVATION, MAP, MAX_POOL, Operation, Structure, structure
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

LOST = 1e-3  # of the gradient; what is left of less hardly moves a weight
AGREES = 0.5  # of the predicted decades, measured: theory is of wide layers
# As `benchmarks/doctor_remedies.py` tries them; of `init_unsuited` what is to be drawn is said with its numbers.
REMEDIES = ("remedy.relu", "remedy.add_norm", "remedy.skip")
DIGITS = 3  # of a variance that a closed form is computed for


class _Link(NamedTuple):
    """A layer that reads another one through an activation, and the decades by which theory changes the gradient."""

    layer: Operation
    activation: str
    decades: float


@each_run("profile")
def find(recording: Recording) -> Found | None:
    """Return a finding where a row of layers, without norm or skip, loses or swells the gradient.

    Theory has to say so of the weights as they are, and the gradient measured at both ends has to agree.
    """
    found = structure(recording)
    if found is None:
        return None
    rows = [row for row in _rows(found) if len(row) >= MIN_STAGE]
    row = max(rows, key=lambda one: abs(_decades(one)), default=[])
    decades = _decades(row)
    if not abs(decades) > DECADES:
        return None
    before = found.operations[found.operations[_through(row[0].layer, found)].reads[0]]
    measured = _measured(recording, before.module, row[-1].layer.module)
    if not measured * decades > 0 or not abs(measured) > AGREES * DECADES:
        return None
    activation = row[0].activation
    factor = 10 ** (decades / len(row))
    values: dict[str, Value] = {
        "layer": row[0].layer.module,
        "first": before.module,
        "last": row[-1].layer.module,
        "layers": len(row),
        "activation": activation,
        "factor": factor,
        "decades": measured,
        "variance": _mean([one.layer.fan_in * one.layer.weight_variance for one in row]),
    }
    if decades > 0:
        return Found(
            "init_large", severity("unknown", decades), values, "cause.factor_above_one", ("remedy.init", *REMEDIES)
        )
    values["lost"] = math.ceil(math.log(LOST) / math.log(factor))
    wanted = _critical(ACTIVATIONS[activation])
    if math.isnan(wanted):
        return Found("init_small", severity("unknown", decades), values, "cause.factor_below_one", REMEDIES)
    values["wanted"] = wanted
    return Found("init_unsuited", severity("unknown", decades), values, "cause.factor_below_one", REMEDIES)


def _rows(found: Structure) -> list[list[_Link]]:
    """Return rows of layers each of which reads the one before through one activation, and is its only reader."""
    rows: dict[int, list[_Link]] = {}  # by the number of the last layer
    for layer in found.of(MAP):
        link = _link(layer, found)
        if link is not None:
            before = found.operations[_through(layer, found)].reads[0]
            rows[layer.number] = [*rows.pop(before, []), link]
    return list(rows.values())


def _link(layer: Operation, found: Structure) -> _Link | None:
    number = _through(layer, found)
    activation = found.operations[number]
    name = ACTIVATIONS.get(activation.name, "")
    before = found.source(activation)
    is_alone = len(found.readers[number]) == 1 and before is not None and len(found.readers[before.number]) == 1
    if activation.kind != ACTIVATION or not name or before is None or before.kind != MAP or not is_alone:
        return None
    variances = (layer.fan_in * layer.weight_variance, layer.bias_variance)
    if not all(math.isfinite(one) and one >= 0 for one in variances) or variances[0] == 0:
        return None
    return _Link(layer, activation.name, 0.5 * math.log10(_chi(name, *map(_rounded, variances))))


def _through(layer: Operation, found: Structure) -> int:
    """Return the number of what a layer reads, behind a max pooling, which hands the gradient on whole."""
    number = layer.reads[0] if layer.reads else layer.number
    one = found.operations[number]
    is_pooled = one.kind == MAX_POOL and len(found.readers[number]) == 1 and one.reads
    return one.reads[0] if is_pooled else number


def _decades(row: Sequence[_Link]) -> float:
    return sum(link.decades for link in row)


def _measured(recording: Recording, first: str, last: str) -> float:
    """Return log10 of the gradient's norm at the output of one layer over that at another's; NaN if unknown."""
    rows = recording.layers
    norms = rows[rows["step"] == 0].groupby("layer")["out_grad_norm"].max()
    near, far = float(norms.get(first, math.nan)), float(norms.get(last, math.nan))
    return math.log10(near / far) if near > 0 and 0 < far < math.inf else math.nan


@cache
def _chi(activation: str, weight_variance: float, bias_variance: float) -> float:
    return theory.chi(activation, weight_variance, bias_variance)


@cache
def _critical(activation: str) -> float:
    """Return fan_in Var[w] that keeps the gradient's size without biases, whatever comes in; NaN where there is none.

    A sigmoid keeps it too, at weights so large that its units saturate: wide layers may, those of use do not.
    """
    try:
        found = theory.critical(activation)
    except ValueError:
        return math.nan
    return found.weight_variance if found.bias_variance == 0 and found.rate == 1 else math.nan


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
