"""The loss of one batch: the user's own, or the one that fits targets and outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gradflow.errors import GradflowError
from gradflow.text import text

LossFunction = Callable[..., Any]

PREDICTIONS = ("logits", "last_hidden_state", "out")  # names under which libraries return the output that counts
IGNORED = -100  # cross-entropy's target that counts for nothing
SEQUENCE_AXES = 3  # (batch, tokens, classes)
PROJECTION_SEED = 0
PROJECTED = "random projection"  # what a loss is called that no targets were given for


class AnalysisError(GradflowError):
    """A model, a batch or a loss that cannot be analyzed; the message is one line and says what to do."""


def loss_of(outputs: Any, targets: Any, loss_fn: LossFunction | None) -> tuple[Tensor, dict[str, Any]]:
    """Return the loss, a tensor of one entry, and what it is, as meta has it for `gradflow.text.words.loss_words`.

    `targets` are None, or what `loss_fn` takes, which is called as `loss_fn(outputs, targets)`, without targets as
    `loss_fn(outputs)`. Without `loss_fn` they are a tensor of class indices or of the outputs' shape.

    Notes
    -----
    Without targets the loss is the mean over the batch of <r, output>, r standard normal and fixed by a seed, so that
    the gradient at the output is r / n whatever the output is: where a sum of squares would give none for a
    zero-initialised head, this one reaches the head. Its squared norm at a tensor x is in expectation |∂output/∂x|²
    (Frobenius) / n².
    """
    if loss_fn is not None:
        found = loss_fn(outputs) if targets is None else loss_fn(outputs, targets)
        return _checked(found), {"loss": "loss_fn", "loss_fn": _name(loss_fn)}
    own = _member(outputs, "loss")
    if targets is None and isinstance(own, Tensor):
        return _checked(own), {"loss": "the model's own loss"}
    prediction = prediction_of(outputs)
    if targets is None:
        return _projection(prediction), {"loss": PROJECTED, "loss_seed": PROJECTION_SEED}
    if not isinstance(targets, Tensor):
        raise AnalysisError(f"targets must be a tensor unless loss_fn takes them; got {type(targets).__name__}.")
    if targets.is_floating_point():
        return _mean_squares(prediction, targets), {"loss": "mean squared error"}
    return _cross_entropy(prediction, targets), {"loss": "cross-entropy"}


def error_share(outputs: Any, targets: Any) -> float | None:
    """Return the share of a batch that is classified wrongly, or None where outputs and targets are no classes."""
    if not isinstance(targets, Tensor) or targets.is_floating_point():
        return None
    prediction = prediction_of(outputs).detach()
    axis = class_axis(prediction, targets)
    counted = targets != IGNORED
    wrong = (prediction.argmax(axis) != targets)[counted]
    return float(wrong.float().mean()) if len(wrong) else None


def _name(loss_fn: LossFunction) -> str:
    return str(getattr(loss_fn, "__name__", type(loss_fn).__name__))


def _checked(loss: Any) -> Tensor:
    """Return a loss if it is one number with a graph."""
    if isinstance(loss, Mapping | tuple | list):
        raise AnalysisError(
            f"the loss must be one number; got a {type(loss).__name__} of {len(loss)}: let loss_fn return their "
            "sum, or one of them."
        )
    if not isinstance(loss, Tensor):
        raise AnalysisError(f"the loss must be a tensor of one entry; got {type(loss).__name__}.")
    if loss.numel() != 1:
        raise AnalysisError(
            f"the loss must be one number; got a tensor of shape {tuple(loss.shape)}. Return its mean or its sum."
        )
    if not loss.is_floating_point():
        raise AnalysisError(f"the loss must be a real floating-point number; got {loss.dtype}.")
    return loss.reshape(())


def _member(outputs: Any, name: str) -> Any:
    """Return a part of the outputs by its name, as an attribute or as a key; None if there is none."""
    if isinstance(outputs, Tensor):
        return None
    return outputs.get(name) if isinstance(outputs, Mapping) else getattr(outputs, name, None)


def prediction_of(outputs: Any) -> Tensor:
    """Return the tensor that a loss is taken of; AnalysisError if it is not to be told which."""
    named = (_member(outputs, name) for name in PREDICTIONS)
    found = outputs if isinstance(outputs, Tensor) else next((one for one in named if isinstance(one, Tensor)), None)
    if found is None and isinstance(outputs, tuple | list) and len(outputs) == 1:
        found = outputs[0]
    if isinstance(found, Tensor) and found.is_floating_point() and found.numel():
        return found
    raise AnalysisError(
        f"the model returned {_described(outputs)}, of which no loss follows by itself; pass "
        "loss_fn=lambda outputs, targets: ... (without targets: lambda outputs: ...) that makes one number of it."
    )


def _described(outputs: Any) -> str:
    if isinstance(outputs, Tensor):
        return f"a tensor of {outputs.dtype} and shape {tuple(outputs.shape)}"
    if isinstance(outputs, Mapping):
        return f"a {type(outputs).__name__} with {', '.join(map(str, outputs)) or 'nothing'}"
    if isinstance(outputs, tuple | list):
        return f"a {type(outputs).__name__} of {len(outputs)}"
    return f"a {type(outputs).__name__}"


def _projection(prediction: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(PROJECTION_SEED)
    directions = torch.randn(prediction.shape, generator=generator, dtype=torch.float32)
    n = prediction.shape[0] if prediction.dim() else 1
    return (prediction * directions.to(prediction)).sum() / n


def _mean_squares(prediction: Tensor, targets: Tensor) -> Tensor:
    if prediction.shape != targets.shape:
        expected, given = tuple(prediction.shape), tuple(targets.shape)
        raise AnalysisError(text("error.analyze.target_shape", shape=expected, value=given))
    return functional.mse_loss(prediction, targets.to(prediction.dtype))


def _cross_entropy(prediction: Tensor, targets: Tensor) -> Tensor:
    axis = class_axis(prediction, targets)
    classes = prediction.shape[axis]
    counted = targets[targets != IGNORED].long()
    lowest, highest = (int(counted.min()), int(counted.max())) if len(counted) else (0, 0)
    if lowest < 0 or highest >= classes:
        wrong = lowest if lowest < 0 else highest
        raise AnalysisError(text("error.analyze.classes", last=classes - 1, value=wrong))
    if classes == 1:
        raise AnalysisError(
            "the output has one class, of which cross-entropy is always 0; pass floating-point targets, or "
            "loss_fn=torch.nn.functional.binary_cross_entropy_with_logits."
        )
    return functional.cross_entropy(prediction.movedim(axis, 1), targets.long(), ignore_index=IGNORED)


def class_axis(prediction: Tensor, targets: Tensor) -> int:
    """Return the axis of classes: 1 as PyTorch has it, (batch, classes, ...), or the last, (batch, ..., classes).

    Where both fit, three axes are (batch, tokens, classes), whatever the number of tokens, and more are an image's.
    Raises AnalysisError where neither fits.
    """
    shape = tuple(prediction.shape)
    order = (-1, 1) if prediction.dim() == SEQUENCE_AXES else (1, -1)
    axes = [axis for axis in order if prediction.dim() > 1 and _without(shape, axis) == tuple(targets.shape)]
    if not axes:
        raise AnalysisError(text("error.analyze.class_shape", shape=shape, value=tuple(targets.shape)))
    return axes[0]


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    kept = list(shape)
    del kept[axis]
    return tuple(kept)
