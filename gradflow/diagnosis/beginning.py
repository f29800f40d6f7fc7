"""What the first recorded batch says, read from a recording's meta, which may come from a stranger."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from gradflow.analysis.remembered import remembered
from gradflow.recording import Recording

# Losses by their operation in autograd, and what a fair constant answer costs of those that take logits.
CROSS_ENTROPY, BINARY, SQUARED = "NllLoss", "BinaryCrossEntropyWithLogits", "MseLoss"
CERTAIN_SHARE = 0.1  # of a loss: what is left of it below that is lost in the difference
COUNTS = frozenset({"n", "examples", "features", "width", "nonfinite", "constant"})
NEVER_NEGATIVE = frozenset(
    {CROSS_ENTROPY, BINARY, SQUARED, "BinaryCrossEntropy", "L1Loss", "SmoothL1Loss", "HuberLoss", "NllLoss2D"}
)


class Tensor(NamedTuple):
    """One tensor of the first batch; NaN where a number was not recorded, 0 where a count was not."""

    n: int
    examples: int
    features: int
    width: int
    min: float
    max: float
    mean: float
    rms: float
    nonfinite: int
    constant: int
    spread: float


class Beginning(NamedTuple):
    """The first batch: the floats that went in and came out, matrices with equal rows, layers in eval mode, dropout."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    alike: tuple[str, ...]
    n_alike: int
    n_matrices: int
    in_eval: tuple[str, ...]
    dropout: float
    strongest_dropout: str


@remembered
def beginning(recording: Recording) -> Beginning | None:
    """Return what was recorded of the first batch, None if nothing was."""
    meta = recording.meta.get("first_batch")
    if not isinstance(meta, Mapping):
        return None
    return Beginning(
        _tensors(meta.get("inputs")),
        _tensors(meta.get("outputs")),
        _names(meta.get("alike")),
        _count(meta.get("n_alike")),
        _count(meta.get("n_matrices")),
        _names(meta.get("in_eval")),
        as_number(meta.get("dropout"), 0.0),
        str(meta.get("strongest_dropout", "")),
    )


@remembered
def operations(recording: Recording) -> tuple[str, ...]:
    """Return the operations from the loss back to the last layer.

    Empty if they were not recorded, or if weights of another model come between, as in training a generator.
    """
    if recording.meta.get("loss_beyond_outputs"):
        return ()
    return _names(recording.meta.get("loss_operations"))


def optimizer_settings(recording: Recording) -> Mapping[str, Any]:
    """Return the settings of the only optimizer; empty if they were not recorded, or there are several."""
    found = recording.meta.get("optimizer_settings")
    is_one = isinstance(found, list) and len(found) == 1 and isinstance(found[0], Mapping)
    return found[0] if is_one else {}  # type: ignore[index]  # it is a list


@remembered
def constant_loss(recording: Recording) -> float:
    """Return the loss of giving each class the same probability: log n; NaN where loss or outputs are not known.

    Examples
    --------
    >>> meta = {"loss_operations": ["NllLoss", "LogSoftmax"], "first_batch": {"outputs": [{"width": 10}]}}
    >>> round(constant_loss(Recording(meta=meta)), 3)
    2.303
    """
    found, names = beginning(recording), operations(recording)
    if not names or found is None or len(found.outputs) != 1:
        return math.nan
    output = found.outputs[0]
    if names[0] == BINARY:
        return math.log(2)
    width = output.width
    if first_loss(recording) > math.log(max(width, 2)) + output.max - output.min:
        return math.nan  # no mean of cross-entropies is so large: it is summed, or multiplied
    is_over_last = names[:2] == (CROSS_ENTROPY, "LogSoftmax") and width > 1
    return math.log(width) if is_over_last else math.nan


@remembered
def empty_loss(recording: Recording) -> float:
    """Return the loss of an answer that tells nothing of the inputs; NaN where it is not known.

    A constant answer's for classes. For a mean of squares that of answering zero, the mean square of the targets: the
    first loss less that of the outputs, which know nothing of the targets yet.

    Examples
    --------
    >>> import pandas as pd
    >>> meta = {"loss_operations": ["MseLoss"], "first_batch": {"outputs": [{"rms": 0.5}]}}
    >>> empty_loss(Recording(steps=pd.DataFrame({"step": [0], "loss": [1.25]}), meta=meta))
    1.0
    """
    found = beginning(recording)
    if operations(recording)[:1] != (SQUARED,) or found is None or len(found.outputs) != 1:
        return constant_loss(recording)
    loss = first_loss(recording)
    of_targets = loss - found.outputs[0].rms ** 2
    return of_targets if of_targets > CERTAIN_SHARE * loss else math.nan


def first_loss(recording: Recording) -> float:
    """Return the loss at step 0, NaN where it is not known."""
    steps = recording.steps
    return float(steps["loss"].iloc[0]) if len(steps) and steps["step"].iloc[0] == 0 else math.nan


def _tensors(found: object) -> tuple[Tensor, ...]:
    rows = [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []
    reads = {name: _count if name in COUNTS else as_number for name in Tensor._fields}
    return tuple(Tensor._make(read(row.get(name)) for name, read in reads.items()) for row in rows)


def _count(value: object) -> int:
    """Return a count, 0 for what is none."""
    found = as_number(value)
    return int(found) if 0 <= found < math.inf else 0


def as_number(value: object, otherwise: float = math.nan) -> float:
    """Return a number that meta holds, else the other value."""
    return float(value) if isinstance(value, int | float) else otherwise


def _names(found: object) -> tuple[str, ...]:
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()
