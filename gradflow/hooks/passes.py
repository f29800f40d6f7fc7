"""What happens between two steps: forward calls, backward passes, and the gradient that arrives at each output."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from gradflow.hooks.gradients import add_hook, tensors_in
from gradflow.hooks.layers import Layer
from gradflow.hooks.norms import Scalar, count_nonfinite, is_small, l2_norm, small_norms, unscaled
from gradflow.hooks.statistics import Statistics, statistics

MEASURED = "measured"
BASE = "measured at its base"
IS_INPUT = "output is the input"
NOT_IN_GRAPH = "not in the graph"
NO_GRADIENT = "no gradient"
LOST = "lost"
FAILED = "failed"
ARRIVED = frozenset({MEASURED, BASE, IS_INPUT})

HELD = 1 << 20  # entries of small gradients held for their norms to be taken together: 4 MiB

OnFailure = Callable[[Exception], object]


class Pass:
    """The calls and the backward passes of one step.

    Parameters
    ----------
    with_statistics : bool
        Take statistics of each output as well.
    read_scale : callable
        Returns the loss scale of the backward pass under way, by which gradients at outputs are divided.
    on_failure : callable
        Receives an error of a measurement; unless it raises, training goes on.
    """

    def __init__(self, *, with_statistics: bool, read_scale: Callable[[], Scalar], on_failure: OnFailure) -> None:
        self.outputs: list[Output] = []
        self.handles: list[RemovableHandle] = []  # of hooks on leaves, which outlive the graph
        self.scales: list[Scalar] = []  # by backward pass
        self.seconds = 0.0
        self.on_failure = on_failure
        self._read_scale = read_scale
        self._with_statistics = with_statistics
        self._calls: dict[int, int] = {}
        self._tasks: dict[int, int] = {}
        self._nodes: set[int] = set()
        self._has_backward = False
        self._held: list[Output] = []
        self._n_held = 0
        self._settles_after = -1  # the backward pass at whose end gradients that are held are let go

    def count(self, layer: Layer) -> int:
        """Count a call of a layer and return its number within the forward pass."""
        if self._has_backward and torch._C._current_graph_task_id() == -1:  # a forward pass after a backward pass
            self._calls.clear()
            self._has_backward = False
        call = self._calls.get(layer.number, 0)
        self._calls[layer.number] = call + 1
        return call

    def watch(self, layer: Layer, call: int, returned: Any, args: tuple[Any, ...]) -> None:
        """Put a hook on each tensor that a layer returned; the hooks keep the norms of their gradients."""
        task = torch._C._current_graph_task_id()
        # Reentrant checkpointing runs the forward inside the backward pass: that pass is the one it belongs to.
        backward = -1 if task == -1 else self.backward_index()
        if type(returned) is Tensor:  # nearly always
            self._watch_tensor(Output(self, layer, call, 0, backward), returned, args)
        else:
            for index, tensor in enumerate(tensors_in(returned)):
                self._watch_tensor(Output(self, layer, call, index, backward), tensor, args)

    def backward_index(self) -> int:
        """Return the index, within the step, of the backward pass under way."""
        self._has_backward = True
        index = self._tasks.setdefault(torch._C._current_graph_task_id(), len(self._tasks))
        if index == len(self.scales):
            self.scales.append(self._read_scale())
        return index

    def hold(self, output: Output, gradient: Tensor) -> None:
        """Hold a small gradient, so that the norms of many are taken at once, when the backward pass ends.

        Not later: a parameter's `.grad` may be the same memory, and what comes next clips or adds to it.
        """
        task = torch._C._current_graph_task_id()
        if task not in (-1, self._settles_after):
            self._settles_after = task
            torch.autograd.Variable._execution_engine.queue_callback(self._settle_in_time)
        self._held.append(output)
        self._n_held += gradient.numel()
        if self._n_held > HELD:
            self.settle()

    def settle(self) -> None:
        """Take the norms of all gradients that are held, and let go of them."""
        held = [output for output in self._held if output.is_unchanged()]
        self._held, self._n_held = [], 0
        try:
            norms = small_norms([output.gradient for output in held])
        except Exception as error:  # a measurement that fails must not end the user's training
            for output in held:
                output.status = FAILED
            self.on_failure(error)
            return
        for output, norm in zip(held, norms, strict=True):
            output.keep(norm)

    def _settle_in_time(self) -> None:
        """Settle at the end of a backward pass; the time that it takes is the recorder's."""
        began = time.perf_counter()
        self.settle()
        self.seconds += time.perf_counter() - began

    def _watch_tensor(self, output: Output, tensor: Tensor, args: tuple[Any, ...]) -> None:
        self.outputs.append(output)
        if self._with_statistics and output.layer.module is not None:
            output.statistics = statistics(output.layer.module, tensor)
        if not tensor.requires_grad:
            return
        output.status = NO_GRADIENT
        if self._is_input(tensor, args):
            output.arrives_as = IS_INPUT
        handle = add_hook(tensor, output)
        if handle is not None and tensor.is_leaf:
            self.handles.append(handle)
        base = tensor._base
        if base is not None and base.requires_grad:
            _watch_base(output, tensor, base, args)

    def _is_input(self, output: Tensor, args: tuple[Any, ...]) -> bool:
        """Whether a layer returned one of its inputs as it was: its gradient is then that of all the tensor's uses.

        An in-place layer returns its input too, but changed, with a graph node that no layer has returned before.
        """
        node = -1 if output.grad_fn is None else output.grad_fn._sequence_nr()
        is_unchanged = _is_among(output, args) and (output._version == 0 or node in self._nodes)
        self._nodes.add(node)
        return is_unchanged


def _is_among(tensor: Tensor, args: tuple[Any, ...]) -> bool:
    """Whether a tensor is one of a layer's arguments, or in a nest among them."""
    return any(
        arg is tensor or (type(arg) is not Tensor and any(tensor is inner for inner in tensors_in(arg))) for arg in args
    )


def _watch_base(output: Output, tensor: Tensor, base: Tensor, args: tuple[Any, ...]) -> None:
    """Read a view's gradient at its base as well: if the view is changed in place, its own hook never fires.

    The base's gradient is the view's only where no other use of the base counts in, so not for a view of an input.
    """
    owners = [arg if arg._base is None else arg._base for arg in tensors_in(args)]
    if base.is_leaf or any(base is owner for owner in owners):
        output.status = LOST  # unless the gradient arrives
    else:
        base.register_hook(_BaseHook(output, tensor, base))


class Output:
    """Tensor hook of one output: keeps the first gradient's norm, and neither the gradient nor the graph."""

    status = NOT_IN_GRAPH
    arrives_as = MEASURED
    norm: Scalar = math.nan
    n_nonfinite = 0
    statistics: Statistics | None = None
    gradient: Tensor  # while it is held

    def __init__(self, owner: Pass, layer: Layer, call: int, index: int, backward: int) -> None:
        self._pass = owner
        self.layer = layer
        self.call = call
        self.index = index
        self.backward = backward

    def __call__(self, gradient: Tensor) -> None:
        """Take or hold the gradient; a second backward through the same output does not count."""
        if self.status not in ARRIVED:
            self.take(gradient, self.arrives_as)

    def take(self, gradient: Tensor, status: str) -> None:
        """Keep a gradient's norm, at once or with those of other small ones, and how it was come by."""
        began = time.perf_counter()
        owner = self._pass
        try:
            if self.backward < 0:
                self.backward = owner.backward_index()
            self.status = status
            # A gradient with a graph (double backward) would keep all of it alive.
            if is_small(gradient) and not gradient.requires_grad:
                self.gradient, self._version = gradient, gradient._version
                owner.hold(self, gradient)
            else:
                norm = l2_norm(gradient)
                self.n_nonfinite = count_nonfinite(gradient, norm)
                self.norm = unscaled(norm, owner.scales[self.backward])
        except Exception as error:  # a measurement that fails must not end the user's backward pass
            self.status = FAILED
            owner.on_failure(error)
        owner.seconds += time.perf_counter() - began

    def is_unchanged(self) -> bool:
        """Whether the gradient held is still what arrived: a hook after this one may have changed it in place."""
        if self.gradient._version == self._version:
            return True
        self.status = FAILED
        self._pass.on_failure(RuntimeError(f"another hook changed the gradient at {self.layer.name} in place"))
        return False

    def keep(self, norm: Scalar) -> None:
        """Keep the norm of the gradient that was held, and let go of it."""
        if not math.isfinite(norm):
            self.n_nonfinite = count_nonfinite(self.gradient, norm)
        del self.gradient
        self.norm = unscaled(norm, self._pass.scales[self.backward])


class _BaseHook:
    """Tensor hook of the tensor that an output is a view of; speaks up if the output's own hook did not."""

    __slots__ = ("_geometry", "_output", "_shape", "_strides")

    def __init__(self, output: Output, view: Tensor, base: Tensor) -> None:
        self._output = output
        self._shape, self._strides = base.shape, base.stride()
        self._geometry = (view.shape, view.stride(), view.storage_offset() - base.storage_offset())

    def __call__(self, gradient: Tensor) -> None:
        """Take the view's part of the base's gradient, if there is anything in it."""
        if self._output.status in ARRIVED:
            return
        laid_out = torch.empty_strided(self._shape, self._strides, dtype=gradient.dtype, device=gradient.device)
        part = laid_out.copy_(gradient.detach()).as_strided(*self._geometry)
        if part.device.type != "cpu" or bool(part.any()):
            self._output.take(part, BASE)
