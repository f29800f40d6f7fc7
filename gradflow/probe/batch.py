"""One batch, handed to a model so that the user's tensors stay as they are and gradients reach the inputs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from gradflow.hooks.norms import l2_norm


class Batch:
    """The arguments of one forward pass, made from what the user gave.

    A tensor or any other object is the one argument, a tuple the positional arguments, a mapping the keyword arguments.
    Tensors inside are copied, so that a layer that works in place changes no tensor of the user's. `leaves` are the
    floating-point inputs as leaves of the graph, sharing the user's memory; what the model gets is a copy with the leaf
    behind it, because a leaf may not be changed in place.
    """

    def __init__(self, inputs: Any) -> None:
        self.leaves: list[Tensor] = []
        self.args: tuple[Any, ...] = ()
        self.kwargs: dict[str, Any] = {}
        self._given = list(_tensors(inputs))
        if isinstance(inputs, Mapping):
            self.kwargs = {str(name): self._copied(value) for name, value in inputs.items()}
        elif type(inputs) is tuple:
            self.args = tuple(self._copied(value) for value in inputs)
        else:
            self.args = (self._copied(inputs),)

    @property
    def shapes(self) -> list[str]:
        """Type and shape of each tensor, as text."""
        return [f"{str(one.dtype).removeprefix('torch.')} {tuple(one.shape)}" for one in self._given]

    @property
    def is_of_integers(self) -> bool:
        """Whether there are tensors, and all of them hold integers."""
        return bool(self._given) and not any(one.is_floating_point() or one.is_complex() for one in self._given)

    def gradient_norm(self, gradients: list[Tensor | None]) -> float:
        """Return the norm of the gradients at the leaves as one vector; NaN if none arrived."""
        norms = [float(l2_norm(gradient)) for gradient in gradients if gradient is not None]
        return math.hypot(*norms) if norms else math.nan

    def _copied(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._argument(value)
        if type(value) is dict:
            return {name: self._copied(item) for name, item in value.items()}
        return type(value)(map(self._copied, value)) if type(value) in (list, tuple) else value

    def _argument(self, tensor: Tensor) -> Tensor:
        if not (tensor.is_floating_point() or tensor.is_complex()):
            return tensor.clone()
        # A tensor made in inference mode cannot be saved for a backward pass; its copy can.
        leaf = (tensor.clone() if tensor.is_inference() else tensor.detach()).requires_grad_()
        self.leaves.append(leaf)
        return leaf.clone()


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
