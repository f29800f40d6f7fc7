"""Which backward passes of a step are in the gradients that an optimizer uses: those that added to `.grad` and stayed.

`torch.autograd.grad()` adds nothing to `.grad`, and `zero_grad()` clears what earlier passes added.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradflow.hooks import sharded
from gradflow.hooks.layers import Layer
from gradflow.hooks.optimizers import parameters_of


class Owners:
    """The model's parameters by the optimizer that changes them, and with it the layers.

    Parameters
    ----------
    layers : sequence of Layer
    every : sequence of Parameter
        Of the whole model. Without optimizers they form one group, else each optimizer's own form one.
    optimizers : sequence of Optimizer
    """

    def __init__(
        self, layers: Sequence[Layer], every: Sequence[nn.Parameter], optimizers: Sequence[Optimizer] = ()
    ) -> None:
        self.every = every
        self.optimizers = optimizers
        self.n_groups = max(len(optimizers), 1)
        self._layers = layers
        self._ids = frozenset(map(id, every))
        # A sharded parameter's gradient is accumulated elsewhere, in a tensor that is no parameter of the model.
        self.are_hidden = any(map(sharded.is_sharded, every)) or any(
            getattr(layer.module, "_is_fsdp_managed_module", False) for layer in layers
        )

    def group(self, number: int) -> Iterator[nn.Parameter]:
        """Yield the parameters of one optimizer that belong to the model; all of the model's where none was given."""
        if not self.optimizers:
            yield from self.every
            return
        for parameter in parameters_of(self.optimizers[number]):
            if id(parameter) in self._ids:
                yield parameter

    def by_layer(self) -> list[int]:
        """Return the group of each layer, by the layers' numbers; -1 where it has none.

        A layer without parameters belongs with the nearest one that ran before it and has some.
        """
        if self.n_groups == 1:
            return [0] * len(self._layers)
        groups = {id(parameter): number for number in range(self.n_groups) for parameter in self.group(number)}
        found, before = [-1] * len(self._layers), -1
        for layer in sorted(self._layers, key=lambda one: len(self._layers) if one.order is None else one.order):
            own = [groups[id(parameter)] for parameter in layer.parameters if id(parameter) in groups]
            if own:
                before = own[0]
            found[layer.number] = before if layer.order is not None or own else -1
        return found


class Accumulation:
    """Follows a step's backward passes into `.grad`, and out of it again; `start` begins with another step.

    Of each optimizer's parameters one is watched: the first of the model, whose gradient arrives last. Only an
    in-place change between two passes makes it look at values.
    """

    def __init__(self, owners: Owners) -> None:
        self.owners = owners
        self._is_new = False
        # A parameter of each group and its graph node, for the steps to come. Not on an accelerator, where a node
        # belongs to the stream that was current when it was made.
        self._kept: list[tuple[nn.Parameter, Any] | None] = [None] * owners.n_groups
        self._first_alone = [(0,)] * owners.n_groups
        self.start()

    def start(self) -> None:
        """Begin a step."""
        if self._is_new:
            return
        self._is_new = True
        owners = self.owners
        self._live: list[list[int]] = [[] for _ in range(owners.n_groups)]  # passes in .grad just now, by group
        self._used: list[tuple[int, ...]] = [()] * owners.n_groups
        self._watched: list[nn.Parameter | None] = [None] * owners.n_groups
        self._versions: list[int | None] = [None] * owners.n_groups  # after the last pass
        self._nodes: dict[int, Any] = {}
        self._by_layer: list[int] | None = None

    def is_adding(self) -> bool:
        """Whether the backward pass under way adds to the gradient of a parameter; to be asked in a hook."""
        self._is_new = False
        if self.owners.are_hidden:
            return True
        is_adding = False
        try:
            for number, watched in enumerate(self._watched):
                if watched is None:
                    watched = self._watched[number] = self._first_reached(number)
                    is_adding |= watched is not None
                else:
                    is_adding |= self._is_reached(watched)
            return is_adding or any(map(self._is_reached, self.owners.every))
        except Exception as error:
            return not _is_asked_for(error)

    def add(self, index: int) -> None:
        """Note that a backward pass adds to `.grad`."""
        for live in self._live:
            live.append(index)

    def end_pass(self) -> None:
        """Note what the gradients are like when a backward pass has ended."""
        for number, parameter in enumerate(self._watched):
            if parameter is not None:
                gradient = parameter.grad
                self._versions[number] = None if gradient is None else gradient._version

    def forget_cleared(self) -> None:
        """Let go of the passes whose gradients were cleared since; not while a backward pass is under way."""
        for number, live in enumerate(self._live):
            if live and self._is_cleared(number):
                self._live[number], self._watched[number] = [], None

    def use(self, optimizer: Optimizer | None = None) -> None:
        """Note that the gradients are used as they are just now, by one optimizer or at the step's end."""
        if self._is_new:
            return
        for number, live in enumerate(self._live):
            if optimizer is None or self.owners.optimizers[number] is optimizer:
                watched = self._watched[number]
                is_cleared = watched is not None and watched.grad is None
                self._used[number] = () if is_cleared else tuple(live)

    def adopt(self, index: int) -> bool:
        """Take a step's last pass for the one that was used, where none added to `.grad` and yet something is there.

        So it is where gradients come from torch.autograd.grad() and are put into `.grad` by hand.
        """
        if all(parameter.grad is None for parameter in self.owners.every):
            return False
        self._used = [(index,)] * self.owners.n_groups
        return True

    def is_live(self, index: int, layer: Layer) -> bool:
        """Whether the gradient that a pass brought to a layer is still in `.grad`."""
        return self._is_in(self._live, index, layer)

    @property
    def is_whole(self) -> bool:
        """Whether every optimizer used the gradient that the first pass brought, and no other."""
        return self._used == self._first_alone

    def is_used(self, index: int, layer: Layer) -> bool:
        """Whether the gradient that a pass brought to a layer was used."""
        return self._is_in(self._used, index, layer)

    def close(self) -> None:
        """Let go of the graph's nodes."""
        if self._nodes:
            self._nodes = {}

    def _is_in(self, passes: Sequence[Sequence[int]], index: int, layer: Layer) -> bool:
        if self._by_layer is None:
            self._by_layer = self.owners.by_layer()
        group = self._by_layer[layer.number]
        return index in passes[group] if group >= 0 else any(index in some for some in passes)

    def _first_reached(self, number: int) -> nn.Parameter | None:
        """Return the first parameter of a group that the pass under way reaches, the last time's if it is reached."""
        kept = self._kept[number]
        if kept is not None and torch._C._will_engine_execute_node(kept[1]):
            return kept[0]
        parameter = next(filter(self._is_reached, self.owners.group(number)), None)
        if parameter is not None and parameter.is_cpu:
            self._kept[number] = parameter, self._nodes[id(parameter)]
        return parameter

    def _is_reached(self, parameter: nn.Parameter) -> bool:
        """Whether the pass under way reaches the node that adds to a parameter's gradient."""
        if not parameter.requires_grad:
            return False
        node = self._nodes.get(id(parameter))
        if node is None:
            node = self._nodes[id(parameter)] = _node_of(parameter)
        is_reached: bool = torch._C._will_engine_execute_node(node)
        return is_reached

    def _is_cleared(self, number: int) -> bool:
        """Whether the gradients of a group were set to None or to zero since the last pass ended."""
        parameter = self._watched[number]
        if parameter is None:
            return False
        gradient = parameter.grad
        if gradient is None:
            return True
        if gradient._version == self._versions[number]:
            return False
        # Clipping changes gradients in place as well, and a gradient may be zero by itself.
        every = (one.grad for one in (parameter, *self.owners.group(number)))
        is_cleared = not any(_holds_something(one) for one in every if one is not None)
        self._versions[number] = gradient._version
        return is_cleared


def adds_to_a_leaf(node: Any) -> bool:
    """Whether the backward pass under way adds to `.grad` of a leaf behind a graph node that it executes.

    So does `backward()`, whatever the leaves are, and `autograd.grad()` does not. To be asked in a hook.
    """
    seen, stack = set(), [node]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        try:
            if hasattr(node, "variable") and torch._C._will_engine_execute_node(node):
                return True
        except RuntimeError as error:
            return not _is_asked_for(error)
        stack.extend(behind for behind, _ in node.next_functions)
    return False


def _is_asked_for(error: Exception) -> bool:
    """Whether torch says that autograd.grad() was asked about a leaf; what else it may raise tells nothing."""
    return "autograd.grad" in str(error)


def _holds_something(gradient: Tensor) -> bool:
    """Whether a gradient is other than zero."""
    entries = gradient.coalesce().values() if gradient.layout is torch.sparse_coo else gradient
    return bool((entries != 0).any())


def _node_of(parameter: nn.Parameter) -> Any:
    """Return the graph node that adds to a parameter's gradient."""
    was_enabled = torch.is_grad_enabled()
    torch._C._set_grad_enabled(True)  # a fifth of the price of torch.enable_grad
    try:
        node: Any = parameter.view_as(parameter).grad_fn
        return node.next_functions[0][0]
    finally:
        torch._C._set_grad_enabled(was_enabled)
