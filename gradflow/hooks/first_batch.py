"""The first recorded batch: what goes into the model, what comes out, and weights whose rows are all alike.

It is looked at once, at the end of the first recorded forward pass. Nothing waits for the device: the numbers are
moved when the recording's meta is read.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from gradflow.hooks.gradients import tensors_in
from gradflow.text.controls import utf8

MAX_TENSORS = 4  # of the model's arguments, and of its output
MAX_NAMES = 20
MAX_OPERATIONS, MAX_NAMED = 30, 6  # that are looked at behind a loss, and named
_NAME = re.compile(r"(?:Backward)?\d*$")
_PASSED = frozenset(
    {"Mul", "Div", "Add", "Sub", "Neg", "Mean", "Sum", "View", "UnsafeView", "Reshape", "Squeeze", "Unsqueeze", "Clone",
     "ToCopy", "T", "Alias"}
)  # fmt: skip
_WEIGHTED = frozenset({"Addmm", "Mm", "Bmm", "Convolution"})
_FLAT = 1  # dimensions of a batch without features

Numbers = dict[str, "Tensor | int"]


class FirstBatch:
    """What was seen in the first recorded forward pass, as numbers on their device.

    Parameters
    ----------
    model : nn.Module
        Its weights are looked at as they are now.
    args, output
        What it was called with, and what it returned. Neither is kept.
    """

    @torch.no_grad()
    def __init__(self, model: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self._inputs = [_numbers(tensor) for tensor in _floats(args)]
        self._outputs = [_numbers(tensor) for tensor in _floats(output)]
        self._nodes = [tensor.grad_fn for tensor in tensors_in(output) if tensor.grad_fn is not None]
        self._alike = {name: _has_one_row(weight) for name, weight in _matrices(model)}
        drops = {name: float(one.p) for name, one in model.named_modules() if _drops(one) and one.training}
        self._strongest = max(drops, key=drops.__getitem__, default="")
        self._dropout = drops.get(self._strongest, 0.0)
        self._in_eval = sorted(
            {type(module).__name__ for module in model.modules() if not module.training and _has_modes(module)}
        )

    def reads_outputs(self, loss: Tensor) -> bool:
        """Whether a loss is computed from the outputs without further weights; the graph is let go of then.

        That of a generator is not: a discriminator comes between.
        """
        nodes, self._nodes = self._nodes, []
        if not nodes:
            return True
        for node in _behind(loss):
            if any(node is own for own in nodes):
                return True
            if _NAME.sub("", node.name()) in _WEIGHTED:
                return False
        return False

    def let_go(self) -> None:
        """Let go of the autograd graph."""
        self._nodes = []

    def described(self) -> dict[str, Any]:
        """Return it as JSON values, after one transfer.

        Keys: `inputs` and `outputs`, one dictionary a tensor: `n` entries, `examples` and `features` of each, `width`
        of its last dimension, `min`, `max`, `mean`, `rms`, `nonfinite` entries, `zeros`, `constant` features that are
        equal in the whole batch, `spread`, the rms around each feature's mean over the batch, `sum_low` and
        `sum_high`, over the last dimension. `alike`: matrices of more than one row whose rows are equal and not zero,
        `n_alike` of `n_matrices`. `in_eval`: kinds of batch norm and dropout that run in eval mode. `dropout`: the
        largest probability of one in training mode, and which it is.
        """
        tensors = [
            value for one in (*self._inputs, *self._outputs) for value in one.values() if isinstance(value, Tensor)
        ]
        moved = iter(_moved([*tensors, *self._alike.values()]))
        written = [
            [
                {name: next(moved) if isinstance(value, Tensor) else value for name, value in one.items()}
                for one in group
            ]
            for group in (self._inputs, self._outputs)
        ]
        alike = [name for name in self._alike if next(moved)]
        return {
            "inputs": written[0],
            "outputs": written[1],
            "alike": [utf8(name) for name in alike[:MAX_NAMES]],
            "n_alike": len(alike),
            "n_matrices": len(self._alike),
            "in_eval": self._in_eval,
            "dropout": self._dropout,
            "strongest_dropout": utf8(self._strongest),
        }


def _floats(value: Any) -> Iterator[Tensor]:
    found = (one.detach() for one in tensors_in(value) if one.is_floating_point() and one.numel() and one.dim())
    return itertools.islice((one for one in found if _is_plain(one)), MAX_TENSORS)


def _numbers(tensor: Tensor) -> Numbers:
    values = tensor.float()
    low, high = values.aminmax()
    batch = values.flatten(1) if values.dim() > _FLAT else values[:, None]
    spread = batch - batch.mean(0)
    last = values.sum(-1) if values.dim() > _FLAT else values
    return {
        "n": values.numel(),
        "features": batch.shape[1],
        "examples": batch.shape[0],
        "width": values.shape[-1] if values.dim() > _FLAT else 1,
        "min": low,
        "max": high,
        "mean": values.mean(),
        "rms": values.square().mean().sqrt(),
        "nonfinite": (~values.isfinite()).sum(),
        "zeros": (values == 0).sum(),
        "constant": (batch == batch[:1]).all(0).sum(),
        "spread": spread.square().mean().sqrt(),
        "sum_low": last.min(),
        "sum_high": last.max(),
    }


def _matrices(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in model.named_parameters():
        weight = parameter.detach()
        if weight.dim() < 2 or weight.shape[0] < 2 or not weight.is_floating_point() or not _is_plain(weight):
            continue
        if weight.dim() == 2 or weight.numel() > weight.shape[0]:  # (channels, 1, 1) is a gain, such as layer scale
            yield name, weight


def _is_plain(tensor: Tensor) -> bool:
    """Whether all entries are here: tensors spread over processes, sparse ones and those without data are not."""
    return type(tensor) is Tensor and tensor.layout == torch.strided and not tensor.is_meta


def _has_one_row(weight: Tensor) -> Tensor:
    """Whether all rows are equal and not zero, as a 0-d tensor."""
    return (weight == weight[:1]).all() & (weight[:1] != 0).any()


def _has_modes(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm) or _drops(module)


def _drops(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.dropout._DropoutNd)


def _moved(tensors: list[Tensor]) -> list[float]:
    """Return 0-d tensors as numbers, after one transfer a device."""
    if not tensors:
        return []
    device = tensors[0].device
    found: list[float] = torch.stack([one.to(device, torch.float64 if device.type != "mps" else torch.float32)
                                      for one in tensors]).tolist()  # fmt: skip
    return found


def operations_behind(loss: Tensor) -> list[str]:
    """Return the operations from the loss back to the model's last layer, as autograd names them.

    Of each operation's inputs the first one that has a gradient is followed; what only scales, adds or reshapes is left
    out.

    Examples
    --------
    >>> logits = nn.Linear(2, 3)(torch.ones(1, 2))
    >>> operations_behind(nn.functional.cross_entropy(logits.softmax(1), torch.tensor([0])))
    ['NllLoss', 'LogSoftmax', 'Softmax', 'Addmm']
    """
    names = (_NAME.sub("", node.name()) for node in _behind(loss))
    found = (name for name in names if name not in _PASSED and "::" not in name)  # torch::autograd::AccumulateGrad
    return list(itertools.islice(found, MAX_NAMED))


def _behind(loss: Tensor) -> list[Node]:
    """Return the nodes of the graph from a loss along the first input that has a gradient."""
    nodes: list[Node] = []
    node = loss.grad_fn
    while node is not None and len(nodes) < MAX_OPERATIONS:
        nodes.append(node)
        node = next((one for one, _ in node.next_functions if one is not None), None)
    return nodes


def described(first: FirstBatch | None) -> Mapping[str, Any]:
    """Return what meta says of it: nothing where no forward pass was seen."""
    return {} if first is None else {"first_batch": first.described()}
