"""The forward hooks of a recorder: on the model exactly while a recorded step is under way."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from gradflow.hooks.failures import OnFailure
from gradflow.hooks.first_batch import FirstBatch
from gradflow.hooks.gradients import OutputHook, allow_in_copies, keep_out_of_copies, remove, tensors_in
from gradflow.hooks.layer_graph import LayerGraph, leaves_behind
from gradflow.hooks.layers import Layer, stage_key

OnOutput = Callable[[Layer, nn.Module, tuple[Any, ...], Any], None]
OnUnseen = Callable[[Layer], None]
OnLost = Callable[[Layer | None, Exception], None]
MAX_EDGES = 100_000  # of the layers' graph that are kept: a loop over cells makes one for every call


class Call(NamedTuple):
    """One call of a layer within a forward pass."""

    number: int  # the layer's
    call: int


class Edge(NamedTuple):
    """A row of a recording's graph."""

    step: int
    layer: str
    call: int
    source: str
    source_call: int


class Attachment:
    """One forward hook a layer and, until each layer has its place in the network, one on the model.

    Parameters
    ----------
    model : nn.Module
    layers : list of Layer
        Their `order`, `depth`, `stage_key` and `dtype` are set by `place`.
    on_output : callable
        Receives layer, module, arguments and output of each call made with grad enabled.
    on_unseen : callable
        Receives the layer of each call made without.
    on_lost : callable
        Receives the layer, or None for the model, whose call could not be seen, and the error.
    on_failure : callable
        Receives what could not be seen, and the error; unless it raises, training goes on. If it is something of the
        first recorded step, places are looked for again in the next.
    owner : weakref of object
        What the hooks are known by.
    compiled : bool
        Use hooks that fire inside torch.compile, where each breaks the graph.
    since : int
        The step from which on the layers are these. Where it is not the first, the places that are known hold until
        the first of the layers is seen running.

    Attributes
    ----------
    edges : list of Edge
        Connections of layers that were seen since the list was last emptied.
    is_first : bool
        Whether the first recorded step is not over, or is to be seen again.
    has_failed : bool
        Whether something of it was missed.
    first_batch : FirstBatch or None
        What went in and came out in the first forward pass that was seen.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: list[Layer],
        on_output: OnOutput,
        on_unseen: OnUnseen,
        on_lost: OnLost,
        on_failure: OnFailure,
        owner: weakref.ref[Any],
        *,
        compiled: bool,
        since: int = 0,
    ) -> None:
        self._layers = layers
        self._since = since
        self._model = model
        self._on_failure = on_failure
        self._single = {own.parameter: layer for layer in layers if layer.module is None for own in layer.owned}
        self._begin_placing()
        self.is_attached = False
        hooked = list(hookable(layers))
        self.n_hooked = len(hooked)
        kind = _breaking_hook() if compiled else OutputHook
        self._hooks = [(module, kind(on_output, layer, owner, on_unseen, on_lost)) for module, layer in hooked]
        if not isinstance(model, torch.jit.ScriptModule):
            self._hooks.append((model, OutputHook(self._end_forward, None, owner, on_failure=on_lost)))
        self._handles: list[RemovableHandle] = []
        self.first_batch: FirstBatch | None = None

    def _begin_placing(self) -> None:
        self._graph = LayerGraph(self._on_leaf)
        self._seen: set[Call] = set()
        # Of the first recorded step; None when it is over.
        self._first_leaves: dict[int, Tensor] | None = None if self._since else {}
        self._own_leaves: set[int] = set()  # of them, those seen in an earlier call that are not behind its arguments
        self._arguments: set[int] = set()
        self.edges: list[Edge] = []
        self._n_edges = 0
        self._n_placed = 0
        self.n_unplaced = sum(not layer.is_gone for layer in self._layers)
        self.is_first = True
        self.has_failed = False

    @property
    def is_placing(self) -> bool:
        """Whether layers' places are still to be seen: throughout the first recorded step, and while some lack one."""
        return self.is_first or self.n_unplaced > 0

    def attach(self) -> None:
        """Put the hooks on; twice is as good as once."""
        if self.is_attached:
            return
        self.is_attached = True
        if not self._handles:
            try:
                for module, hook in self._hooks:
                    self._handles.append(module.register_forward_hook(hook))
                    keep_out_of_copies(module)
            except BaseException:
                remove(self._handles)
                self._handles, self.is_attached = [], False
                raise
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

    def remove(self) -> None:
        """Take the hooks off for good, with all that was done to the modules; twice is as good as once."""
        self.detach()
        for module, _ in self._hooks:
            allow_in_copies(module)
        allow_in_copies(self._model)

    def place(self, layer: Layer, call: int, args: tuple[Any, ...], output: Any) -> None:
        """Note a layer's place in the network and what it is connected to."""
        try:
            if self._since and not self._n_placed:
                self._forget_places()
            self._place(layer, call, args, output)
        except Exception as error:
            self._fail(f"the place of {layer.name} in the network", error)

    def _forget_places(self) -> None:
        for layer in self._layers:
            layer.order = layer.depth = layer.stage_key = None
            layer.dtype = ""

    def _fail(self, what: str, error: Exception) -> None:
        self.has_failed = True
        self._on_failure(what, error)

    def _place(self, layer: Layer, call: int, args: tuple[Any, ...], output: Any) -> None:
        key = Call(layer.number, call)
        tensors = [tensor for tensor in tensors_in(output) if tensor.grad_fn is not None]
        if key in self._seen:
            self._graph.mark(tensors, key)
            return
        is_recomputed = torch._C._current_graph_task_id() != -1
        if self._first_leaves is not None and not is_recomputed:
            self._arguments.update(id(tensor) for tensor in tensors_in(args) if tensor.is_leaf)
        place = None if is_recomputed else self._graph.place(tensors, key, weighted=layer.is_weighted)
        self._number(layer)
        if tensors and not layer.dtype:
            layer.dtype = str(tensors[0].dtype).removeprefix("torch.")
        if place is not None:
            self._seen.add(key)
            self._connect(key, place.sources)
            if layer.depth is None and layer.module is not None:
                layer.depth = place.depth
                layer.stage_key = stage_key(layer.module, tensors[0])
        elif is_recomputed and tensors and not call:
            # A checkpoint builds its graph piece by piece, the last piece first: the order of calls is all there is.
            self._seen.add(key)
            before = next((one for one in self._layers if one.order == (layer.order or 0) - 1), None)
            if before is not None and before.module is not None:
                self._connect(key, [Call(before.number, 0)])

    def note_unseen(self, layer: Layer) -> None:
        """Note the order of a layer that runs without gradients first, as in a checkpoint."""
        self._number(layer)

    def _number(self, layer: Layer) -> None:
        if layer.order is None:
            layer.order = self._n_placed
            self._n_placed += 1
            self.n_unplaced -= 1

    def _connect(self, key: Call, sources: Iterable[Any]) -> None:
        name = self._layers[key.number].name
        for number, call in sorted(sources):
            if self._n_edges < MAX_EDGES:
                self.edges.append(Edge(self._since, name, key.call, self._layers[number].name, call))
                self._n_edges += 1

    def _on_leaf(self, leaf: Tensor) -> Call | None:
        """Return the key of a parameter that is a layer of its own; note leaves that are no parameters."""
        layer = self._single.get(leaf)  # type: ignore[call-overload]  # any tensor may be looked up
        if layer is not None:
            self._number(layer)
            return Call(layer.number, 0)
        if self._first_leaves is not None and torch._C._current_graph_task_id() == -1:
            self._first_leaves[id(leaf)] = leaf
        return None

    def places(self) -> list[dict[str, Any]]:
        """Return each layer's place as it is known so far, as JSON values."""
        return [
            {
                "layer": layer.name,
                "order": layer.order,
                "depth": layer.depth,
                "stage_key": None if layer.stage_key is None else list(layer.stage_key),
                "weighted": layer.is_weighted,
                "dtype": layer.dtype,
            }
            for layer in self._layers
            if not layer.is_gone
        ]

    def check_places(self, places: list[dict[str, Any]]) -> None:
        """Raise ValueError unless the places are of these layers."""
        taken, own = [place["layer"] for place in places], [layer.name for layer in self._layers]
        odd = next((name for name in (*taken, *own) if (name in taken) != (name in own)), None)
        if odd is not None:
            raise ValueError(f"the state is of a recorder of other layers ({odd}); record the same model and layers.")

    def take_places(self, places: list[dict[str, Any]]) -> None:
        """Set the layers' places as an earlier recorder of them found them."""
        by_name = {place["layer"]: place for place in places}
        for layer in self._layers:
            place = by_name[layer.name]
            key = place["stage_key"]
            layer.order, layer.depth, layer.stage_key = place["order"], place["depth"], None if key is None else (*key,)
            layer.is_weighted, layer.dtype = place["weighted"], place["dtype"]
        self._n_placed = sum(layer.order is not None for layer in self._layers)
        self.n_unplaced = len(self._layers) - self._n_placed
        self.is_first = False

    def end_step(self) -> list[Tensor]:
        """End a recorded step; return the first one's leaves that are no parameters and not behind its inputs."""
        self.clear()
        if self.first_batch is not None:
            self.first_batch.let_go()
        if self.is_first and self.has_failed:
            self._forget_places()
            for layer in self._single.values():
                layer.is_weighted = False
            self._begin_placing()
            return []
        known = set(map(id, self._model.parameters())) | self._arguments
        leaves = [leaf for number, leaf in (self._first_leaves or {}).items() if number not in known]
        self.is_first = bool(self._since) and not self._n_placed  # the model may have changed after its forward pass
        self._first_leaves = None
        return leaves

    def clear(self) -> None:
        """Let go of the autograd graph."""
        for layer in self._single.values():
            key = Call(layer.number, 0)
            if layer.depth is None and key in self._graph.depths:
                layer.depth = self._graph.depths[key]
                layer.is_weighted = key in self._graph.multiplied
        self._graph.clear()

    def _end_forward(self, key: None, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Let go of the graph when the whole forward pass is done: depths are known by then."""
        if self.first_batch is None and self._first_leaves is not None:
            try:
                self.first_batch = FirstBatch(module, args, output)
            except Exception as error:
                self._on_failure("the first batch", error)
        try:
            self._look_behind(args, output)
            self.clear()
        except Exception as error:
            self._graph.clear()
            self._fail("the layers' places in the network", error)
        if not self.is_placing and self._hooks[-1][1].key is None:  # this hook is no longer needed
            model, _ = self._hooks.pop()
            model._forward_hooks.pop(self._handles.pop().id, None)

    def _look_behind(self, args: tuple[Any, ...], output: Any) -> None:
        self._graph.look_behind(tensors_in(output))
        if self._first_leaves is not None:
            # A state that an earlier call returned has the model's own leaves behind it.
            behind = {id(leaf) for tensor in tensors_in(args) for leaf in leaves_behind(tensor)}
            self._arguments |= behind - self._own_leaves
            self._own_leaves |= self._first_leaves.keys() - self._arguments


def hookable(layers: Iterable[Layer]) -> Iterator[tuple[nn.Module, Layer]]:
    """Yield the layers whose module takes hooks, with the module."""
    for layer in layers:
        if layer.module is not None and not isinstance(layer.module, torch.jit.ScriptModule):
            yield layer.module, layer


def _breaking_hook() -> type[OutputHook]:
    from gradflow.hooks.compiled import BreakingHook  # brings torch's compiler, which takes a second to import

    return BreakingHook
