"""The gradient that arrives at an output: the hook that keeps its norm, and what became of it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

from gradflow.hooks.failures import together
from gradflow.hooks.gradients import tensors_in
from gradflow.hooks.layers import Layer
from gradflow.hooks.norms import Scalar, SmallCopies, count_nonfinite, is_small, l2_norm, unscaled
from gradflow.hooks.statistics import Statistics

if TYPE_CHECKING:
    from gradflow.hooks.passes import Pass, Task

MEASURED = "measured"
BASE = "measured at its base"
IS_INPUT = "output is the input"
NOT_IN_GRAPH = "not in the graph"
NO_GRADIENT = "no gradient"
LOST = "lost"
FAILED = "failed"
SEVERAL_PASSES = "several passes"
OWN_DERIVATIVE = "double backward"
TOO_MANY = "too many calls"
ARRIVED = frozenset({MEASURED, BASE, IS_INPUT})

_NO_ENTRIES = torch.empty(0)

ALL_CALLS = -1  # instead of a call's number: several calls taken together


class OutputGradientHook:
    """Tensor hook of one output: keeps its gradient's norm, and neither the gradient nor the graph.

    Each backward pass that brings a gradient to the output makes one of its own; those that add up in `.grad` share
    one, whose norm is that of their sum.
    """

    status = NOT_IN_GRAPH
    arrives_as = MEASURED
    norm: Scalar = math.nan
    n_nonfinite = 0
    in_grad = True
    statistics: Statistics | None = None
    task: Task | None = None  # in which the gradient arrived
    added_in: Task | None = None  # in which the last one arrived that was added to it
    gradient: Tensor | None = None  # while it is held
    total: Tensor | None = None  # of the gradients that several passes brought
    is_differentiated = False  # whether a pass with create_graph=True came first
    made_by: type | None = None  # class of the graph node
    view: Tensor | None = None  # the output without its entries, where its gradient is read at its base if it changes
    later: tuple[OutputGradientHook, ...] = ()
    __torch_unserializable__ = True  # saving the tensor warns of no hook

    def __init__(self, owner: Pass, layer: Layer, call: int, index: int, backward: int) -> None:
        self._pass = owner
        self.layer = layer
        self.call = call
        self.index = index
        self.backward = backward

    def __call__(self, gradient: Tensor | None) -> None:
        """Take or hold the gradient.

        PyTorch passes None where another output of the same operation has a gradient and this one has none: the
        sequence that a fused LSTM returns, if only its last state is used.
        """
        owner = self._pass
        if gradient is None or owner.is_over or owner.is_full:
            return
        if self.view is not None and self.view._version != self._view_version:
            return  # it is that of uses before the change alone
        began = time.perf_counter()
        try:
            self.take(gradient, self.arrives_as)
        except Exception as error:  # a measurement that fails must not end the user's backward pass
            self.fail(error)
        owner.seconds += time.perf_counter() - began

    def take(self, gradient: Tensor, status: str) -> None:
        """Keep a gradient's norm, at once or with those of other small ones, and how it was come by."""
        owner = self._pass
        task = owner.tasks.get(torch._C._current_graph_task_id()) or owner.begin()
        if self.task is None:
            self.task, self.status = task, status
            if self.backward < 0:
                self.backward = task.index if task.index >= 0 else owner.index_of(task)
            elif task.index != self.backward:
                owner.join(task, self.backward)
            # So it is with create_graph=True. A gradient with a graph, if held, would keep all of it alive.
            self.is_differentiated = torch.is_grad_enabled()
            if owner.summed and task.is_adding and (self.layer.number, self.index) in owner.summed:
                self.total = self._addend(gradient, task)
            elif is_small(gradient) and not self.is_differentiated:
                self.gradient, self._version = gradient, gradient._version
                owner.hold(self, gradient)
            else:
                norm = l2_norm(gradient)
                self.n_nonfinite = count_nonfinite(gradient, norm)
                self.norm = unscaled(norm, owner.scales[self.backward])
        elif self.status != FAILED:
            self._take_again(gradient, status, task)

    def note_version(self, tensor: Tensor) -> None:
        """Note an output that is a view, to see whether it is changed in place."""
        self.view = tensor.detach()  # which counts the changes of both
        self._view_version = tensor._version
        self.view.data = _NO_ENTRIES

    def fail(self, error: Exception) -> None:
        """Report that the output's gradient could not be measured."""
        self.lose()
        self._pass.on_failure(f"the gradient at the output of {self.layer.name}", error)

    def lose(self) -> None:
        """Let go of the output's gradient and of what is known of it."""
        self.status, self.norm, self.n_nonfinite, self.gradient, self.total = FAILED, math.nan, 0, None, None
        if self.backward < 0:
            self.backward = self._pass.likely_index()

    def has_arrived(self) -> bool:
        """Whether the backward pass under way has brought a gradient already, or the step is over."""
        if self._pass.is_over:
            return True
        task = self._pass.task()
        return any(output.task is task or output.added_in is task for output in (self, *self.later))

    def _take_again(self, gradient: Tensor, status: str, task: Task) -> None:
        """Take the gradient of a further backward pass: added to an earlier one's where it is so in `.grad`."""
        owner = self._pass
        index = owner.index_of(task)
        if task.is_adding:
            for output in (self, *self.later):
                if output.is_live():
                    output._add(gradient, task)
                    return
        again = OutputGradientHook(owner, self.layer, self.call, self.index, index)
        again.statistics = self.statistics
        owner.add(again)
        self.later = (*self.later, again)
        try:
            again.take(gradient, status)
        except Exception as error:
            again.fail(error)
        if self.is_differentiated and _is_in_its_derivative(self.made_by, self.layer):
            again.status, again.norm, again.total = OWN_DERIVATIVE, math.nan, None

    def was_there_before(self, other: OutputGradientHook) -> bool:
        """Whether another output is the same layer's in the same step, and was made in another backward pass."""
        return self._pass is other._pass and self.layer is other.layer and self.backward != other.backward

    def is_live(self) -> bool:
        """Whether the gradient that arrived is part of what is in `.grad` just now."""
        assert self.task is not None
        return self.task.may_be_used and self._pass.accumulation.is_live(self.backward, self.layer)

    def _add(self, gradient: Tensor, task: Task) -> None:
        self.added_in = task
        if self.total is not None:
            self.total.add_(self._addend(gradient, task))
        else:
            self.status, self.norm, self.n_nonfinite = SEVERAL_PASSES, math.nan, 0
            self._pass.note_summed(self)

    def _addend(self, gradient: Tensor, task: Task) -> Tensor:
        """Return a gradient to be added to others: without its loss scale, and in a type that holds the sum."""
        index = task.index if task.index >= 0 else self.backward
        wide = gradient.detach().to(torch.promote_types(gradient.dtype, torch.float32), copy=True)
        scale = self._pass.scales[index]
        return wide if isinstance(scale, float) and scale == 1.0 else wide / scale

    def take_sum(self) -> None:
        """Take the norm of the gradients that were added up, and let go of them."""
        if self.total is not None:
            self.norm = l2_norm(self.total)
            self.n_nonfinite = count_nonfinite(self.total, self.norm)
            self.total = None

    def together(self, outputs: list[OutputGradientHook]) -> OutputGradientHook:
        """Return one output of the same layer that stands for several."""
        norms: list[Any] = [output.norm for output in outputs]
        whole = OutputGradientHook(self._pass, self.layer, ALL_CALLS, self.index, self.backward)
        whole.status, whole.in_grad = MEASURED, self.in_grad
        whole.norm = l2_norm(torch.stack(norms)) if isinstance(norms[0], Tensor) else math.hypot(*norms)
        counts = [output.n_nonfinite for output in outputs]
        whole.n_nonfinite = -1 if -1 in counts else sum(counts)
        return whole

    def is_unchanged(self) -> bool:
        """Whether the gradient held is still what arrived: a hook after this one may have changed it in place."""
        assert self.gradient is not None
        if self.gradient._version == self._version:
            return True
        self.fail(RuntimeError(f"another hook changed the gradient at {self.layer.name} in place"))
        return False

    def keep(self, norm: float, n_nonfinite: int) -> None:
        """Keep the norm of the gradient that was held, and how many of its entries are not finite."""
        self.n_nonfinite = n_nonfinite
        if self.status in ARRIVED:
            self.norm = unscaled(norm, self._pass.scales[self.backward])


def _is_in_its_derivative(made_by: type | None, layer: Layer) -> bool:
    """Whether the derivative of the operation that made an output is computed from it, as that of tanh is: 1 - tanh².

    In a double backward the output then gets a gradient that belongs to the layer's input. To be asked in its hook.
    """
    if made_by is not None and issubclass(made_by, BackwardCFunction):
        return _keeps_tensors(torch._C._current_autograd_node())
    if made_by is not None and made_by.__name__ == _CHANGED_VIEW:
        return type(layer.module) not in _WITHOUT_RESULT
    return hasattr(made_by, "_saved_result") and made_by is not _RELU


def _keeps_tensors(node: Any) -> bool:
    """Whether a user's autograd.Function keeps tensors for its derivative.

    Its own output may be one of them. Looking would call the hooks for saved tensors, in which a checkpoint computes.
    """
    return bool(node._raw_saved_tensors) or any(isinstance(one, Tensor) for one in vars(node).values())


_RELU = type(torch.zeros(1, requires_grad=True).relu().grad_fn)  # its derivative is constant on either side
_CHANGED_VIEW = "CopySlices"  # class of the node of a tensor that was changed through a view; hides the operation
# Layers whose derivative is constant on either side, or computed from their input or a mask.
_WITHOUT_RESULT = frozenset({nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Hardtanh, nn.SiLU, nn.Mish, nn.Dropout})


class _BaseHook:
    """Tensor hook of the tensor that an output is a view of; speaks up if the output's own hook did not."""

    __slots__ = ("_geometry", "_output", "_shape", "_strides")
    __torch_unserializable__ = True

    def __init__(self, output: OutputGradientHook, view: Tensor, base: Tensor) -> None:
        self._output = output
        self._shape, self._strides = base.shape, base.stride()
        self._geometry = (view.shape, view.stride(), view.storage_offset() - base.storage_offset())

    def __call__(self, gradient: Tensor | None) -> None:
        """Take the view's part of the base's gradient, if there is anything in it."""
        if gradient is None:
            return
        try:
            self._take(gradient)
        except Exception as error:
            self._output.fail(error)

    def _take(self, gradient: Tensor) -> None:
        if self._output.has_arrived():
            return
        laid_out = torch.empty_strided(self._shape, self._strides, dtype=gradient.dtype, device=gradient.device)
        part = laid_out.copy_(gradient.detach()).as_strided(*self._geometry)
        # Zero for a piece of the base can mean that only other pieces were used; a view of all of it has no others.
        if part.numel() == gradient.numel() or part.device.type != "cpu" or bool(part.any()):
            self._output.take(part, BASE)


def copied(outputs: Sequence[OutputGradientHook]) -> tuple[list[OutputGradientHook], SmallCopies | None]:
    """Copy the gradients that outputs hold, of those that still do, and let go of them."""
    held = [
        output
        for output in outputs
        if (gradient := output.gradient) is not None and (gradient._version == output._version or output.is_unchanged())
    ]
    copies = SmallCopies([output.gradient for output in held if output.gradient is not None]) if held else None
    for output in held:
        output.gradient = None
    return held, copies


def keep_all(outputs: Sequence[OutputGradientHook], copies: SmallCopies) -> None:
    """Keep the norms of the gradients that were copied."""

    def keep(places: Sequence[int]) -> None:
        for place, norm in zip(places, copies.some_norms(places), strict=True):
            outputs[place].keep(norm, 0 if math.isfinite(norm) else copies.n_nonfinite(place))

    together(keep, range(len(outputs)), lambda place, error: outputs[place].fail(error))


def watch_base(output: OutputGradientHook, tensor: Tensor, base: Tensor, args: tuple[Any, ...]) -> None:
    """Read a view's gradient at its base as well: if the view is changed in place, its own hook never fires.

    The base's gradient is the view's only where no other use of the base counts in, so not for a view of an input.
    """
    inputs = list(tensors_in(args))
    is_of_input = any(base is (one if one._base is None else one._base) for one in inputs)
    if tensor._version and (not is_of_input or any(tensor is one for one in inputs)):
        changed_by = type(base.grad_fn)
        output.made_by = changed_by if changed_by.__name__ == _CHANGED_VIEW else output.made_by
    if base.is_leaf or is_of_input:
        output.status = LOST  # unless the gradient arrives
    else:
        base.register_hook(_BaseHook(output, tensor, base))
        output.note_version(tensor)
