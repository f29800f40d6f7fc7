"""Changes of a model under a recorder: modules and parameters that were replaced, added or taken away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import is_
from typing import Any

import torch
from torch import nn

from gradflow.hooks.layers import Layer

NAMED = 5  # layers in one sentence


class Structure:
    """The modules and parameters of a model as they were, and whether they still are: by name and identity.

    A comparison costs a few microseconds. It must not be made during a forward pass of torch.func.functional_call, nor
    while parameters are unsharded: both put other tensors in the parameters' places for the time being.
    """

    def __init__(self, model: nn.Module) -> None:
        # Scripted modules cannot change, and hold no dictionaries.
        modules = [module for module in model.modules() if not isinstance(module, torch.jit.ScriptModule)]
        children, parameters = ([getattr(one, name) for one in modules] for name in ("_modules", "_parameters"))
        self._children = _Contents(children)
        self._all = _Contents([*children, *parameters])

    def has_same_modules(self) -> bool:
        """Whether no module was replaced, added, taken away or renamed."""
        return self._children.is_same()

    def is_same(self) -> bool:
        """Whether no module and no parameter was replaced, added, taken away or renamed."""
        return self._all.is_same()


class _Contents:
    """What some dictionaries hold, and whether they still hold it."""

    def __init__(self, dicts: Sequence[dict[str, Any]]) -> None:
        self._dicts = dicts
        self._views = [one.values() for one in dicts]
        self._names = [*chain.from_iterable(dicts)]
        self._values = [*chain.from_iterable(self._views)]

    def is_same(self) -> bool:
        values = [*chain.from_iterable(self._views)]
        if len(values) != len(self._values) or not all(map(is_, values, self._values)):
            return False
        return [*chain.from_iterable(self._dicts)] == self._names


@dataclass
class Changes:
    """What became of a recorder's layers, by name, and the numbers of those whose module is another."""

    added: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    other_modules: set[int] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.added or self.gone or self.replaced)

    def described(self) -> dict[str, list[str]]:
        """Return the names, as JSON values."""
        return {"added": self.added, "gone": self.gone, "replaced": self.replaced}

    def __str__(self) -> str:
        """Return what is said of it, as a sentence."""
        told = (
            (self.added, "is new", "are new"),
            (self.gone, "is gone", "are gone"),
            (self.replaced, "has other parameters", "have other parameters"),
        )
        parts = [f"{_named(names)} {one if len(names) == 1 else several}" for names, one, several in told if names]
        return (
            f"the model has changed since record(): {'; '.join(parts)}. The recording follows it"
            f"{'; outputs of new layers are measured from the next recorded step on' if self.added else ''}."
        )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def follow(layers: list[Layer], found: Iterable[Layer]) -> Changes:
    """Bring a recorder's layers up to those that its model has now.

    Parameters
    ----------
    layers : list of Layer
        Changed in place. A layer keeps its number; new ones are added at the end, and those that are gone stay.
    found : iterable of Layer
        The model's layers now.
    """
    changes = Changes()
    known = {layer.name: layer for layer in layers}
    missing = {name for name, layer in known.items() if not layer.is_gone}
    for now in found:
        layer = known.get(now.name)
        missing.discard(now.name)
        if layer is None:
            now.number = len(layers)
            layers.append(now)
            changes.added.append(now.name)
            changes.other_modules.add(now.number)
            continue
        if layer.module is not now.module:
            changes.other_modules.add(layer.number)
        if layer.is_gone:
            changes.added.append(layer.name)
        elif not _is_same(layer, now):
            changes.replaced.append(layer.name)
        layer.is_gone = False
        layer.module, layer.kind, layer.owned = now.module, now.kind, now.owned
        if now.module is not None:  # that of a parameter alone is seen in the graph
            layer.is_weighted = now.is_weighted
    for name in sorted(missing, key=lambda one: known[one].number):
        known[name].leave()
        changes.gone.append(name)
    return changes


def _is_same(layer: Layer, now: Layer) -> bool:
    if layer.module is not now.module or len(layer.owned) != len(now.owned):
        return False
    pairs = zip(layer.owned, now.owned, strict=True)
    return all(own.name == other.name and own.parameter is other.parameter for own, other in pairs)
