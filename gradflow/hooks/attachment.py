"""The forward hooks of a recorder: on the model exactly while a recorded step is under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from gradflow.hooks.gradients import OutputHook, tensors_in
from gradflow.hooks.layers import GraphDepth, Layer, stage_key

OnOutput = Callable[[Layer, nn.Module, tuple[Any, ...], Any], None]


class Attachment:
    """One forward hook a layer and, until each layer has its place in the network, one on the model.

    Parameters
    ----------
    model : nn.Module
    layers : list of Layer
        Their `order`, `depth` and `stage_key` are set by `place`.
    on_output : callable
        Receives layer, module, arguments and output of each call made with grad enabled.
    owner : object
        What the hooks are known by.
    compiled : bool
        Use hooks that fire inside torch.compile, where each breaks the graph.
    """

    def __init__(
        self, model: nn.Module, layers: list[Layer], on_output: OnOutput, owner: object, *, compiled: bool
    ) -> None:
        self._layers = layers
        self._graph = GraphDepth()
        self._marked: set[Layer] = set()
        self._n_placed = 0
        self.n_unplaced = len(layers)
        self.is_attached = False
        hooked = [layer for layer in layers if not isinstance(layer.module, torch.jit.ScriptModule)]
        self.n_hooked = len(hooked)
        kind = _breaking_hook() if compiled else OutputHook
        self._hooks = [(layer.module, kind(on_output, layer, owner=owner)) for layer in hooked]
        if not isinstance(model, torch.jit.ScriptModule):
            self._hooks.append((model, OutputHook(self._forget_graph, None, owner=owner)))
        self._handles: list[RemovableHandle] = []

    def attach(self) -> None:
        """Put the hooks on; twice is as good as once."""
        if self.is_attached:
            return
        self.is_attached = True
        if not self._handles:
            self._handles = [module.register_forward_hook(hook) for module, hook in self._hooks]
            return
        for (module, hook), handle in zip(self._hooks, self._handles, strict=True):
            module._forward_hooks[handle.id] = hook  # another handle would cost as much as a call of the hook

    def detach(self) -> None:
        """Take the hooks off; twice is as good as once."""
        self.clear()
        if self.is_attached:
            self.is_attached = False
            for (module, _), handle in zip(self._hooks, self._handles, strict=True):
                module._forward_hooks.pop(handle.id, None)

    def place(self, layer: Layer, output: Any) -> None:
        """Note a layer's place in the network at its first call; later calls show what lies before other layers."""
        tensor = next((tensor for tensor in tensors_in(output) if tensor.grad_fn is not None), None)
        if layer.order is None:
            layer.order = self._n_placed
            self._n_placed += 1
            self.n_unplaced -= 1
        elif tensor is not None and layer.depth is not None and layer not in self._marked:
            self._graph.mark(tensor, layer.depth)
            self._marked.add(layer)
            return
        if tensor is not None:
            depth = self._graph.of(tensor, weighted=layer.is_weighted)
            self._marked.add(layer)
            if layer.depth is None:
                layer.depth = depth
                layer.stage_key = stage_key(layer.module, tensor)

    def places(self) -> list[dict[str, Any]]:
        """Return each layer's place as it is known so far, as JSON values."""
        return [
            {
                "layer": layer.name,
                "order": layer.order,
                "depth": layer.depth,
                "stage_key": None if layer.stage_key is None else list(layer.stage_key),
            }
            for layer in self._layers
        ]

    def check_places(self, places: list[dict[str, Any]]) -> None:
        """Raise ValueError unless the places are of these layers."""
        taken, own = [place["layer"] for place in places], [layer.name for layer in self._layers]
        if taken != own:
            odd = next((name for name in (*taken, *own) if (name in taken) != (name in own)), "their order")
            raise ValueError(f"the state is of a recorder of other layers ({odd}); record the same model and layers.")

    def take_places(self, places: list[dict[str, Any]]) -> None:
        """Set the layers' places as an earlier recorder of them found them."""
        for layer, place in zip(self._layers, places, strict=True):
            key = place["stage_key"]
            layer.order, layer.depth, layer.stage_key = place["order"], place["depth"], None if key is None else (*key,)
        self._n_placed = sum(layer.order is not None for layer in self._layers)
        self.n_unplaced = len(self._layers) - self._n_placed

    def clear(self) -> None:
        """Let go of the autograd graph."""
        self._graph.clear()
        self._marked.clear()

    def _forget_graph(self, key: None, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Let go of the graph when the whole forward pass is done: depths are known by then."""
        self.clear()
        if not self.n_unplaced and self._hooks[-1][1].key is None:  # this hook is no longer needed
            model, _ = self._hooks.pop()
            model._forward_hooks.pop(self._handles.pop().id, None)


def _breaking_hook() -> type[OutputHook]:
    from gradflow.hooks.compiled import BreakingHook  # brings torch's compiler, which takes a second to import

    return BreakingHook
