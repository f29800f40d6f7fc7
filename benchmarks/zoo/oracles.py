"""Autograd's own answer for the gradient at every layer's output; no tensor hook, no code of gradflow.

Two ways, computed together:

- the zero leaf: a zero is added to the output, and its gradient is the output's. What the layer's caller does with the
  output counts. None is added where a layer returns its input, changed in place or not: its other users hold it too;
- the gradient edge: the place of the output in the graph, noted when the layer returned. All uses count.

They differ where a layer uses itself what it returns: a text model that returns its embeddings beside the logits made
of them. There the edge is the definition that gradflow documents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from .specimen import tensors_in

CHUNK = 2**20  # entries turned into float64 at a time

Key = tuple[str, int, int]  # layer, call, output


@dataclass
class Place:
    """One tensor that a layer returned: its edge, and the zero that was added to it."""

    edge: GradientEdge
    zero: Tensor | None
    is_input: bool


@dataclass(frozen=True)
class Answer:
    """L2 norms in float64; None where no gradient arrives."""

    by_edge: float | None
    by_zero: float | None
    is_input: bool

    @property
    def norm(self) -> float | None:
        """Norm of the gradient with respect to the output: the zero leaf's, or the edge's where only that is right."""
        return self.by_edge if self.is_input or self.by_zero is None else self.by_zero


@contextmanager
def placed(model: nn.Module, layers: list[str], *, zeros: bool) -> Iterator[dict[Key, Place]]:
    """Note the place of each tensor that the named layers return inside the block, and add the zeros."""
    places: dict[Key, Place] = {}
    handles = [
        model.get_submodule("" if name == "(root)" else name).register_forward_hook(_hook(name, places, zeros))
        for name in layers
    ]
    try:
        yield places
    finally:
        for handle in handles:
            handle.remove()


def answers(loss: Tensor, places: Mapping[Key, Place]) -> dict[Key, Answer]:
    """Return the gradient norms of a loss at every place, from one call of `torch.autograd.grad`."""
    zeros = [get_gradient_edge(place.zero) for place in places.values() if place.zero is not None]
    edges = [place.edge for place in places.values()]
    gradients = torch.autograd.grad(loss, [*edges, *zeros], allow_unused=True)
    by_edge = iter(gradients[: len(edges)])
    by_zero = iter(gradients[len(edges) :])
    return {
        key: Answer(
            by_edge=_norm(next(by_edge)),
            by_zero=_norm(next(by_zero)) if place.zero is not None else None,
            is_input=place.is_input,
        )
        for key, place in places.items()
    }


def norm64(*tensors: Tensor) -> float:
    """L2 norm of all entries, in float64."""
    return math.hypot(*(_norm64(tensor.detach()) for tensor in tensors))


def _norm64(tensor: Tensor) -> float:
    dense = tensor.to_dense()
    real = torch.view_as_real(dense.resolve_conj()) if dense.is_complex() else dense
    parts = map(Tensor.double, torch.split(real.reshape(-1), CHUNK))
    return math.sqrt(math.fsum(torch.dot(part, part).item() for part in parts))


def _norm(gradient: Tensor | None) -> float | None:
    return None if gradient is None else norm64(gradient)


def _hook(name: str, places: dict[Key, Place], zeros: bool) -> Callable[..., Any]:
    calls = 0

    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        nonlocal calls
        if not torch.is_grad_enabled():
            return None
        index = 0

        def add_zero(tensor: Tensor) -> Tensor:
            nonlocal index
            key = (name, calls, index)
            index += 1
            if not tensor.requires_grad:
                return tensor
            is_input = any(tensor is arg for arg in tensors_in(args))
            zero = torch.zeros_like(tensor, requires_grad=True) if zeros and not is_input else None
            places[key] = Place(get_gradient_edge(tensor), zero, is_input)
            return tensor if zero is None else tensor + zero

        replaced = _map_tensors(output, add_zero)
        calls += 1
        return replaced if zeros else None

    return hook


def _map_tensors(nest: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a nest of the same make with every tensor replaced."""
    if isinstance(nest, Tensor):
        return change(nest)
    if isinstance(nest, Mapping):
        return type(nest)(**{key: _map_tensors(item, change) for key, item in nest.items()})
    if isinstance(nest, tuple) and hasattr(nest, "_fields"):
        return type(nest)(*(_map_tensors(item, change) for item in nest))
    if isinstance(nest, (tuple, list)):
        return type(nest)(_map_tensors(item, change) for item in nest)
    if is_dataclass(nest) and not isinstance(nest, type):
        return replace(nest, **{entry.name: _map_tensors(getattr(nest, entry.name), change) for entry in fields(nest)})
    return nest
