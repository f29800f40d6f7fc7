"""What happens between two steps: forward calls, backward passes, and the gradient that arrives at each output."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from gradflow.hooks.layers import Layer
from gradflow.hooks.norms import Scalar, count_nonfinite, l2_norm, unscaled
from gradflow.hooks.statistics import Statistics, statistics

MEASURED = "measured"
BASE = "measured at its base"
IS_INPUT = "output is the input"

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
        self._read_scale = read_scale
        self.seconds = 0.0
        self.on_failure = on_failure
        self._with_statistics = with_statistics
        self._calls: dict[int, int] = {}
        self._tasks: dict[int, int] = {}
        self._nodes: set[int] = set()
        self._has_backward = False

    def watch(self, layer: Layer, index: int, call: int, tensor: Tensor, args: tuple[Any, ...]) -> None:
        """Put a hook on one tensor that a layer returned; the hook keeps the norm of its gradient."""
        output = Output(self, layer, call, index)
        self.outputs.append(output)
        if self._with_statistics:
            output.statistics = statistics(layer.module, tensor)
        if not tensor.requires_grad:
            return
        output.is_in_graph = True
        if self._is_input(tensor, args):
            output.status = IS_INPUT
        handle = tensor.register_hook(output)
        if tensor.is_leaf:
            self.handles.append(handle)
        base = tensor._base
        if base is not None and base.requires_grad:
            self._watch_base(output, tensor, base, args)

    def _watch_base(self, output: Output, tensor: Tensor, base: Tensor, args: tuple[Any, ...]) -> None:
        """Read a view's gradient at its base as well: if the view is changed in place, its own hook never fires.

        The base's gradient is the view's only where no other use of the base counts in, so not for a view of an input.
        """
        owners = [arg if arg._base is None else arg._base for arg in args if isinstance(arg, Tensor)]
        output.is_unreadable = base.is_leaf or any(base is owner for owner in owners)
        if not output.is_unreadable:
            base.register_hook(_BaseHook(output, tensor, base))

    def next_call(self, layer: Layer) -> int:
        """Return the layer's call index; a forward pass after a backward pass starts again at 0."""
        if self._has_backward and torch._C._current_graph_task_id() == -1:
            self._calls.clear()
            self._has_backward = False
        call = self._calls.get(layer.number, 0)
        self._calls[layer.number] = call + 1
        return call

    def backward_index(self) -> int:
        """Return the index, within the step, of the backward pass under way."""
        self._has_backward = True
        task = torch._C._current_graph_task_id()
        index = self._tasks.setdefault(task, len(self._tasks))
        if index == len(self.scales):
            self.scales.append(self._read_scale())
        return index

    def _is_input(self, output: Tensor, args: tuple[Any, ...]) -> bool:
        """Whether a layer returned one of its inputs as it was: its gradient is then that of all the tensor's uses.

        An in-place layer returns its input too, but changed, with a graph node that no layer has returned before.
        """
        node = -1 if output.grad_fn is None else output.grad_fn._sequence_nr()
        is_same = any(output is arg for arg in args)
        is_unchanged = is_same and (output._version == 0 or node in self._nodes)
        self._nodes.add(node)
        return is_unchanged


class Output:
    """Tensor hook of one output: keeps the first gradient's norm, and neither the gradient nor the graph."""

    __slots__ = (
        "_pass", "backward", "call", "failed", "index", "is_in_graph", "is_unreadable",
        "layer", "n_nonfinite", "norm", "statistics", "status",
    )  # fmt: skip

    def __init__(self, owner: Pass, layer: Layer, call: int, index: int) -> None:
        self._pass = owner
        self.layer = layer
        self.call = call
        self.index = index
        self.is_in_graph = False
        self.is_unreadable = False
        self.failed = False
        self.norm: Scalar | None = None
        self.n_nonfinite = 0
        self.status = MEASURED
        self.statistics: Statistics | None = None
        # Reentrant checkpointing runs the forward inside the backward pass: that pass is the one it belongs to.
        self.backward: int = -1 if torch._C._current_graph_task_id() == -1 else owner.backward_index()

    def __call__(self, gradient: Tensor) -> None:
        """Take the norm at once; a second backward through the same output does not count."""
        if self.norm is None:
            self.take(gradient, self.status)

    def take(self, gradient: Tensor, status: str) -> None:
        """Keep a gradient's norm and how it was come by."""
        began = time.perf_counter()
        try:
            norm = l2_norm(gradient)
            self.n_nonfinite = count_nonfinite(gradient, norm)
        except Exception as error:  # a measurement that fails must not end the user's backward pass
            self.failed = True
            self._pass.on_failure(error)
            return
        if self.backward < 0:
            self.backward = self._pass.backward_index()
        self.norm, self.status = unscaled(norm, self._pass.scales[self.backward]), status
        self._pass.seconds += time.perf_counter() - began


class _BaseHook:
    """Tensor hook of the tensor that an output is a view of; speaks up if the output's own hook did not."""

    __slots__ = ("_geometry", "_output", "_shape", "_strides")

    def __init__(self, output: Output, view: Tensor, base: Tensor) -> None:
        self._output = output
        self._shape, self._strides = base.shape, base.stride()
        self._geometry = (view.shape, view.stride(), view.storage_offset() - base.storage_offset())

    def __call__(self, gradient: Tensor) -> None:
        """Take the view's part of the base's gradient, if there is anything in it."""
        if self._output.norm is not None:
            return
        laid_out = torch.empty_strided(self._shape, self._strides, dtype=gradient.dtype, device=gradient.device)
        part = laid_out.copy_(gradient.detach()).as_strided(*self._geometry)
        if part.device.type != "cpu" or bool(part.any()):
            self._output.take(part, BASE)
