"""Outputs that are probabilities, under a loss that takes them for logits and has a softmax or sigmoid of its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gradflow.hooks.operations import operation, rearranges
from gradflow.probe.loss import LossFunction, class_axis, loss_of, prediction_of

SUM_TOLERANCE = 0.01  # half precision adds up a thousand shares to 1 within this
SIGMOID, SOFTMAX = "Sigmoid", "Softmax"  # operations of the graph
_OF_CLASSES = (nn.CrossEntropyLoss, functional.cross_entropy)
_OF_EACH = (nn.BCEWithLogitsLoss, functional.binary_cross_entropy_with_logits)


@torch.no_grad()
def certain_loss(outputs: Any, targets: Any, loss_fn: LossFunction | None) -> float | None:
    """Return the loss that certain and right probabilities have, if the outputs are probabilities taken for logits.

    None where they are none, or where the loss is not known to take logits. Log-probabilities are no fault: a softmax
    leaves them what they are.

    Examples
    --------
    >>> logits, targets = torch.tensor([[2.0, -1.0, 0.5]]), torch.tensor([0])
    >>> certain_loss(logits, targets, None)
    >>> round(certain_loss(logits.softmax(1), targets, None), 4)  # ln(1 + 2/e)
    0.5514
    """
    if not isinstance(targets, Tensor) or not (loss_fn is None or isinstance(outputs, Tensor)):
        return None
    is_of_classes = _is(loss_fn, _OF_CLASSES) or (loss_fn is None and not targets.is_floating_point())
    if not (is_of_classes or _is(loss_fn, _OF_EACH)):
        return None
    prediction = prediction_of(outputs)
    axis = class_axis(prediction, targets) if loss_fn is None else min(1, prediction.dim() - 1)
    maker = _maker(prediction)
    if not (maker == SIGMOID or (_adds_to_one(prediction, axis) if is_of_classes else maker == SOFTMAX)):
        return None
    certain = targets.to(prediction.dtype)
    if not targets.is_floating_point():
        chosen = targets.long().clamp(min=0).unsqueeze(axis)
        certain = torch.zeros_like(prediction).scatter_(axis, chosen, 1.0)
    return loss_of(certain, targets, loss_fn)[0].item()


def _is(loss_fn: LossFunction | None, known: tuple[Any, Any]) -> bool:
    """Whether a loss is the module or the function."""
    module, function = known
    return isinstance(loss_fn, module) or loss_fn is function


def _adds_to_one(prediction: Tensor, axis: int) -> bool:
    shares = prediction.float()
    return bool((shares >= 0).all() and ((shares.sum(axis) - 1).abs() < SUM_TOLERANCE).all())


def _maker(prediction: Tensor) -> str:
    """Return the operation that made the outputs' numbers; what came after only moved them."""
    node = prediction.grad_fn
    while node is not None and rearranges(operation(node.name())):
        node = next((maker for maker, _ in node.next_functions if maker is not None), None)
    return "" if node is None else operation(node.name())
