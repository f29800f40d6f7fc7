"""What happens between two steps: forward calls, backward passes, and the gradient that arrives at each output."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from gradflow.hooks.accumulation import Accumulation
from gradflow.hooks.failures import OnFailure, together
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
SEVERAL_PASSES = "several passes"
OWN_DERIVATIVE = "double backward"
TOO_MANY = "too many calls"
ARRIVED = frozenset({MEASURED, BASE, IS_INPUT})

HELD = 1 << 20  # entries of small gradients held for their norms to be taken together: 4 MiB
MAX_OUTPUTS = 1 << 16  # watched in one step: some 40 MB

ALL_CALLS = -1  # instead of a call's number: several calls taken together

OutputName = tuple[int, int]  # the layer's number, and which tensor of its output


class Task:
    """One run of the autograd engine: a backward pass, or one within another, as in checkpointing."""

    __slots__ = ("index", "is_adding")

    def __init__(self, *, is_adding: bool) -> None:
        self.index = -1  # of the backward pass within the step, once it is known to be one of its own
        self.is_adding = is_adding  # to `.grad`


class Pass:
    """The calls and the backward passes of one step.

    Parameters
    ----------
    accumulation : Accumulation
        Knows which backward passes are part of the gradient that the optimizer uses.
    summed : set
        Outputs that several passes reach, whose gradients are added up. More are noted here for the steps to come.
    with_statistics : bool
        Take statistics of each output as well.
    before_first : callable
        Called before the first backward pass is looked at.
    read_scale : callable
        Returns the loss scale of the backward pass under way, by which gradients at outputs are divided.
    on_failure : callable
        Receives what could not be measured, and the error; unless it raises, training goes on.
    """

    def __init__(
        self,
        accumulation: Accumulation,
        summed: set[OutputName],
        *,
        with_statistics: bool,
        before_first: Callable[[], object],
        read_scale: Callable[[], Scalar],
        on_failure: OnFailure,
    ) -> None:
        self.accumulation = accumulation
        self.summed = frozenset(summed)
        self.is_over = False
        self.is_full = False  # more outputs than are kept: none of the step's is
        self.outputs: list[Output] = []
        self.handles: list[RemovableHandle] = []  # of hooks on leaves, which outlive the graph
        self.scales: list[Scalar] = []  # by backward pass
        self.seconds = 0.0
        self.on_failure = on_failure
        self._read_scale = read_scale
        self._with_statistics = with_statistics
        self._before_first = before_first
        self._note_summed = summed.add
        self._calls: dict[int, int] = {}
        self.tasks: dict[int, Task] = {}  # by the engine's number
        self._running: set[int] = set()
        self._by_index: list[Task] = []
        self._nodes: set[int] = set()
        self._has_backward = False
        self.doubt: Exception | None = None  # that whose gradients they are is known
        self._held: list[Output] = []
        self._n_held = 0

    def count(self, layer: Layer) -> int:
        """Count a call of a layer and return its number within the forward pass."""
        if self._has_backward and torch._C._current_graph_task_id() == -1:  # a forward pass after the loss's backward
            self._calls.clear()
            self._has_backward = False
            self._running.clear()  # a backward pass that raised does not say that it has ended
            self._forget_cleared()
        call = self._calls.get(layer.number, 0)
        self._calls[layer.number] = call + 1
        return call

    def watch(self, layer: Layer, call: int, returned: Any, args: tuple[Any, ...]) -> None:
        """Put a hook on each tensor that a layer returned; the hooks keep the norms of their gradients."""
        task = torch._C._current_graph_task_id()
        # Reentrant checkpointing runs the forward inside the backward pass: that pass is the one it belongs to.
        backward = -1 if task == -1 else self.index_of(self.task())
        if type(returned) is Tensor:  # nearly always
            self._watch_tensor(Output(self, layer, call, 0, backward), returned, args)
        else:
            for index, tensor in enumerate(tensors_in(returned)):
                self._watch_tensor(Output(self, layer, call, index, backward), tensor, args)

    def lose(self, layer: Layer, error: Exception) -> None:
        """Note a tensor that a layer returned in its last call and that cannot be watched."""
        call = max(self._calls.get(layer.number, 0) - 1, 0)
        index = sum(one.layer is layer and one.call == call and one.task is None for one in self.outputs)
        output = Output(self, layer, call, index, -1)
        self.outputs.append(output)
        output.fail(error)

    def task(self) -> Task:
        """Return the engine's run under way; to be called in a hook."""
        return self.tasks.get(torch._C._current_graph_task_id()) or self.begin()

    def begin(self) -> Task:
        """Note a run of the engine that is new."""
        if not self.tasks:
            self._before_first()
        number = torch._C._current_graph_task_id()
        if not self._running and self.tasks:
            self._forget_cleared()
        torch.autograd.Variable._execution_engine.queue_callback(partial(self._end, number))
        task = Task(is_adding=self.accumulation.is_adding())
        self._has_backward |= task.is_adding
        self.tasks[number] = task  # now that nothing is left that may fail: if it does, the next hook begins again
        self._running.add(number)
        return task

    def index_of(self, task: Task) -> int:
        """Return the index, within the step, of a backward pass of its own."""
        if task.index < 0:
            scale, index = self._read_scale(), len(self._by_index)
            if task.is_adding:
                self.accumulation.add(index)
            self.scales.append(scale)
            self._by_index.append(task)
            task.index = index
        return task.index

    def likely_index(self) -> int:
        """Return the index of the backward pass under way or, outside of one, of the next."""
        known = max((self.tasks[number].index for number in self._running), default=-1)
        return known if known >= 0 else len(self._by_index)

    def join(self, task: Task, index: int) -> None:
        """Note that a run of the engine within a backward pass belongs to it."""
        outer = self._by_index[index]
        if task.is_adding and not outer.is_adding:
            outer.is_adding = True
            self.accumulation.add(index)

    def note_summed(self, output: Output) -> None:
        """Note an output that several passes reach: from the next step on its gradients are added up."""
        self._note_summed((output.layer.number, output.index))

    def hold(self, output: Output, gradient: Tensor) -> None:
        """Hold a small gradient, so that the norms of many are taken at once, when the backward pass ends.

        Not later: a parameter's `.grad` may be the same memory, and what comes next clips or adds to it.
        """
        self._held.append(output)
        self._n_held += gradient.numel()
        if self._n_held > HELD:
            self.settle()

    def settle(self) -> None:
        """Take the norms of all gradients that are held, and let go of them."""
        held, self._held, self._n_held = self._held, [], 0
        if held:
            together(_settle, held, Output.fail)

    def finish(self) -> None:
        """End the step, when the optimizers have used the gradients: say whose gradient each output has."""
        try:
            self.settle()
            if self.doubt is not None:
                for output in self.outputs:
                    output.lose()
                self.on_failure("whose gradients arrived at the outputs", self.doubt)
            elif self.outputs:
                together(self._conclude, self.outputs, Output.fail)
        finally:
            self.is_over = True
            self.accumulation.close()

    def _conclude(self, outputs: Sequence[Output]) -> None:
        if self._by_index and not any(task.is_adding for task in self._by_index):
            self._by_index[-1].is_adding = self.accumulation.adopt(len(self._by_index) - 1)
        if self.summed:
            for output in outputs:
                output.take_sum()
        if len(self.tasks) < 2 and self.accumulation.is_whole:  # nearly always
            return
        for output in outputs:
            if output.task is not None:
                output.in_grad = self.is_used(output.task, output.backward, output.layer)

    def _forget_cleared(self) -> None:
        """Let go of the passes whose gradients were cleared; if that is not known, nothing more is of this step."""
        try:
            self.accumulation.forget_cleared()
        except Exception as error:
            self.doubt = error

    def is_used(self, task: Task, index: int, layer: Layer) -> bool:
        """Whether what a run of the engine, in the backward pass of that index, brought to a layer was used.

        To be asked when the step is over.
        """
        return task.is_adding and self.accumulation.is_used(index, layer)

    def _end(self, number: int) -> None:
        """Settle at the end of a backward pass; the time that it takes is the recorder's."""
        began = time.perf_counter()
        try:
            self._running.discard(number)
            self.settle()
            if not self._running:
                self.accumulation.end_pass()
        except Exception as error:
            self.on_failure("the end of a backward pass", error)
        self.seconds += time.perf_counter() - began

    def add(self, output: Output) -> None:
        """Note one more output."""
        if len(self.outputs) >= MAX_OUTPUTS:
            self._make_room()
        if not self.is_full:
            self.outputs.append(output)

    def _make_room(self) -> None:
        """Let go of outputs that say nothing more: those whose graph is gone, and those whose gradient was cleared.

        Of each layer the first is kept, which says why it has no row. If that makes no room, all are dropped.
        """
        first = {output.layer.number: output for output in reversed(self.outputs)}.values()
        arrived = [output for output in self.outputs if output.task is not None and output.is_live()]
        waiting = [weakref.ref(output) for output in self.outputs if output.task is None]
        self.outputs = []  # what is kept by no graph is gone now
        alive = [output for reference in waiting if (output := reference()) is not None]
        self.outputs = list(dict.fromkeys([*first, *arrived, *alive]))
        if len(self.outputs) > MAX_OUTPUTS // 2:
            self.is_full = True
            self.outputs, self._held, self._n_held = [], [], 0

    def _watch_tensor(self, output: Output, tensor: Tensor, args: tuple[Any, ...]) -> None:
        self.add(output)
        if self.is_full:
            return
        try:
            if self._with_statistics and output.layer.module is not None:
                output.statistics = statistics(output.layer.module, tensor, partial(self._lose_statistic, output.layer))
            if not tensor.requires_grad:
                return
            output.status = NO_GRADIENT
            node = tensor.grad_fn
            output.made_by = type(node)
            if self._is_input(tensor, node, args):
                output.arrives_as = IS_INPUT
            handle = add_hook(tensor, output)
            if handle is not None and tensor.is_leaf:
                self.handles.append(handle)
            base = tensor._base
            if base is not None and base.requires_grad:
                _watch_base(output, tensor, base, args)
        except Exception as error:
            output.fail(error)

    def _lose_statistic(self, layer: Layer, name: str, error: Exception) -> None:
        self.on_failure(f"{name} of {layer.name}", error)

    def _is_input(self, output: Tensor, node: Any, args: tuple[Any, ...]) -> bool:
        """Whether a layer returned one of its inputs as it was: its gradient is then that of all the tensor's uses.

        An in-place layer returns its input too, but changed, with a graph node that no layer has returned before.
        """
        number = -1 if node is None else node._sequence_nr()
        is_unchanged = _is_among(output, args) and (output._version == 0 or number in self._nodes)
        self._nodes.add(number)
        return is_unchanged


def _settle(outputs: Sequence[Output]) -> None:
    """Take the norms of the gradients that outputs hold, of those that still do."""
    held = [output for output in outputs if output.gradient is not None and output.is_unchanged()]
    norms = small_norms([output.gradient for output in held if output.gradient is not None])
    for output, norm in zip(held, norms, strict=True):
        output.keep(norm)


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
    """Tensor hook of one output: keeps its gradient's norm, and neither the gradient nor the graph.

    Each backward pass that brings a gradient to the output makes an `Output` of its own; those that add up in `.grad`
    share one, whose norm is that of their sum.
    """

    status = NOT_IN_GRAPH
    arrives_as = MEASURED
    norm: Scalar = math.nan
    n_nonfinite = 0
    in_grad = True
    statistics: Statistics | None = None
    task: Task | None = None  # in which the gradient arrived
    gradient: Tensor | None = None  # while it is held
    total: Tensor | None = None  # of the gradients that several passes brought
    is_differentiated = False  # whether a pass with create_graph=True came first
    made_by: type | None = None  # class of the graph node
    later: tuple[Output, ...] = ()
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
                self.backward = owner.index_of(task)
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
        return any(output.task is task for output in (self, *self.later))

    def _take_again(self, gradient: Tensor, status: str, task: Task) -> None:
        """Take the gradient of a further backward pass: added to an earlier one's where it is so in `.grad`."""
        owner = self._pass
        index = owner.index_of(task)
        if task.is_adding:
            for output in (self, *self.later):
                if output.is_live():
                    output._add(gradient, task)
                    return
        again = Output(owner, self.layer, self.call, self.index, index)
        again.statistics = self.statistics
        owner.add(again)
        self.later = (*self.later, again)
        try:
            again.take(gradient, status)
        except Exception as error:
            again.fail(error)
        if self.is_differentiated and _is_in_its_derivative(self.made_by):
            again.status, again.norm, again.total = OWN_DERIVATIVE, math.nan, None

    def is_live(self) -> bool:
        """Whether the gradient that arrived is part of what is in `.grad` just now."""
        assert self.task is not None
        return self.task.is_adding and self._pass.accumulation.is_live(self.backward, self.layer)

    def _add(self, gradient: Tensor, task: Task) -> None:
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

    def together(self, outputs: list[Output]) -> Output:
        """Return one output of the same layer that stands for several."""
        norms: list[Any] = [output.norm for output in outputs]
        whole = Output(self._pass, self.layer, ALL_CALLS, self.index, self.backward)
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

    def keep(self, norm: Scalar) -> None:
        """Keep the norm of the gradient that was held, and let go of it."""
        assert self.gradient is not None
        if not math.isfinite(norm):
            self.n_nonfinite = count_nonfinite(self.gradient, norm)
        if self.status in ARRIVED:
            self.norm = unscaled(norm, self._pass.scales[self.backward])
        self.gradient = None


def _is_in_its_derivative(node: type | None) -> bool:
    """Whether a graph node's derivative is computed from its own result, as that of tanh is: 1 - tanh².

    In a double backward the result then gets a gradient that belongs to the layer's input.
    """
    return hasattr(node, "_saved_result") and node is not _RELU


_RELU = type(torch.zeros(1, requires_grad=True).relu().grad_fn)  # its derivative is constant on either side


def bounded(outputs: list[Output], most: int | None) -> list[Output]:
    """Return outputs of which no layer has more than `most` calls, in the gradient that was used or beside it.

    The first, the last and those between at even distances are kept. The others are one output, of call -1, whose norm
    is that of all of them together.
    """
    if most is None or len(outputs) <= most:
        return outputs
    groups: dict[tuple[int, int, bool], list[Output]] = {}
    for output in outputs:
        groups.setdefault((output.layer.number, output.index, output.in_grad), []).append(output)
    if max(map(len, groups.values())) <= most:
        return outputs
    return [output for group in groups.values() for output in _thinned(group, most)]


def _thinned(group: list[Output], most: int) -> list[Output]:
    arrived = sorted((one for one in group if one.status in ARRIVED), key=lambda one: (one.backward, one.call))
    if len(arrived) <= most:
        return group
    last = len(arrived) - 1
    kept = {round(place * last / (most - 2)) for place in range(most - 1)}
    rest = [output for place, output in enumerate(arrived) if place not in kept]
    return [
        *(output for output in group if output.status not in ARRIVED),
        *(output for place, output in enumerate(arrived) if place in kept),
        rest[0].together(rest),
    ]


class _BaseHook:
    """Tensor hook of the tensor that an output is a view of; speaks up if the output's own hook did not."""

    __slots__ = ("_geometry", "_output", "_shape", "_strides")
    __torch_unserializable__ = True

    def __init__(self, output: Output, view: Tensor, base: Tensor) -> None:
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
        if part.device.type != "cpu" or bool(part.any()):
            self._output.take(part, BASE)
