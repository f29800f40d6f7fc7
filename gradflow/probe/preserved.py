"""Leaving a model exactly as it was found: what a forward and a backward pass may change is put back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gradflow.hooks.layers import check_shapes


@contextmanager
def left_as_found(model: nn.Module) -> Iterator[None]:
    """Give back everything that the block may change on a model, also after an exception.

    Put back are the values, gradients and `requires_grad` of parameters, buffers (replaced ones too), each module's
    attributes and mode (the objects that they held, not what was changed inside a list), and the random states of
    torch, NumPy and Python. Inside the block gradients are None, so that the old ones are not added to. A tensor whose
    bits did not change is not written to, so a graph that still needs it stays usable.

    Takes memory for one copy of parameters and buffers. Hooks are removed by whoever adds them. Raises LazyModelError
    where lazy parameters have no values yet.

    Examples
    --------
    >>> model = nn.BatchNorm1d(2)
    >>> with left_as_found(model):
    ...     _ = model(torch.rand(4, 2))
    >>> int(model.num_batches_tracked)
    0
    """
    check_shapes(model)
    modules = [_Module(module) for module in model.modules()]
    tensors = [_Value(tensor) for tensor in dict.fromkeys([*model.parameters(), *model.buffers()])]
    devices = sorted({kept.tensor.device.index or 0 for kept in tensors if kept.tensor.is_cuda})
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=devices):
            for kept in tensors:
                kept.tensor.grad = None
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        for module in modules:
            module.put_back()
        with torch.no_grad():
            for kept in tensors:
                kept.put_back()


class _Module:
    """One module's attributes, and the members of its dictionaries of parameters and buffers."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._attributes = dict(vars(module))
        dictionaries = (module._parameters, module._buffers)
        # A ScriptModule holds its members in C++, where they cannot be replaced.
        self._members = [(members, dict(members)) for members in dictionaries if isinstance(members, dict)]

    def put_back(self) -> None:
        """Restore what the module held, by identity."""
        for members, before in self._members:
            _restore(members, before)
        _restore(vars(self._module), self._attributes)


def _restore(now: dict[str, Any], before: dict[str, Any]) -> None:
    if now.keys() == before.keys() and all(now[name] is before[name] for name in now):
        return
    now.clear()
    now.update(before)


class _Value:
    """A parameter or buffer: its memory, a copy of what stood there, its gradient."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self._memory = tensor.detach()
        self._copy = self._memory.clone()
        self._gradient = tensor.grad
        self._requires_grad = tensor.requires_grad

    def put_back(self) -> None:
        """Restore the value where its bits differ, the gradient, and whether one is required."""
        if _is_plain(self._memory) and self.tensor.data_ptr() != self._memory.data_ptr():
            self.tensor.data = self._memory
        if not _same_bits(self.tensor.detach(), self._copy):
            self.tensor.detach().copy_(self._copy)
        self.tensor.requires_grad_(self._requires_grad)
        self.tensor.grad = self._gradient


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is dense memory of its own, neither sharded nor sparse nor quantized."""
    return type(tensor) is Tensor and tensor.layout is torch.strided and not tensor.is_quantized


def _same_bits(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are equal bit by bit: NaN equals itself, and 0.0 differs from -0.0."""
    return _is_plain(a) and torch.equal(_bits(a), _bits(b))


def _bits(tensor: Tensor) -> Tensor:
    return tensor.resolve_conj().resolve_neg().reshape(-1).view(torch.uint8)
