"""What happens between two steps: forward calls and backward passes, and which of them each gradient belongs to."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from gradflow.hooks.accumulation import Accumulation, adds_to_a_leaf
from gradflow.hooks.capture import IS_INPUT, NO_GRADIENT, OutputGradientHook, copied, keep_all, watch_base
from gradflow.hooks.failures import OnFailure, together
from gradflow.hooks.gradients import add_hook, tensors_in
from gradflow.hooks.histograms import Counts, counts_of, is_counted
from gradflow.hooks.layers import Layer
from gradflow.hooks.norms import TOGETHER, Scalar, SmallCopies
from gradflow.hooks.statistics import statistics

HELD = TOGETHER  # entries of small gradients held for a copy of them all
COPIED = 1 << 20  # entries copied for their norms to be taken together: 4 MiB
MAX_OUTPUTS = 1 << 16  # watched in one step: some 40 MB

OutputName = tuple[int, int]  # the layer's number, and which tensor of its output


class Task:
    """One run of the autograd engine: a backward pass, or one within another, as in checkpointing."""

    __slots__ = ("index", "is_adding", "is_part")

    def __init__(self, *, is_adding: bool) -> None:
        self.index = -1  # of the backward pass within the step, once it is known to be one of its own
        self.is_adding = is_adding  # to `.grad`
        # Whether it is a `backward()` within another pass, which passes on what it brings to tensors that are no
        # parameters: checkpointing of layers without any. None while that was not looked at.
        self.is_part: bool | None = None

    @property
    def may_be_used(self) -> bool:
        """Whether what it brings is used where the backward pass is that it belongs to."""
        return self.is_adding or bool(self.is_part)


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
    with_counts : bool
        Count the entries of each layer's output by their size, too.
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
        with_counts: bool = False,
        before_first: Callable[[], object],
        read_scale: Callable[[], Scalar],
        on_failure: OnFailure,
    ) -> None:
        self.accumulation = accumulation
        self.summed = frozenset(summed)
        self.is_over = False
        self.is_full = False  # more outputs than are kept: none of the step's is
        self.outputs: list[OutputGradientHook] = []
        self.without_tensor: frozenset[int] = frozenset()  # layers of which a call returned none
        self.handles: list[RemovableHandle] = []  # of hooks on leaves, which outlive the graph
        self.scales: list[Scalar] = []  # by backward pass
        self.seconds = 0.0
        self.on_failure = on_failure
        self._read_scale = read_scale
        self.with_statistics = with_statistics
        self.with_counts = with_counts
        self._counts: dict[tuple[str, bool, int], Counts] = {}
        self._uncounted: frozenset[str] = frozenset()  # layers of which a call is missing
        self._before_first = before_first
        self._to_be_summed = summed
        self._calls: dict[int, int] = {}
        self.tasks: dict[int, Task] = {}  # by the engine's number
        self._running: dict[int, weakref.ref[Any]] = {}  # what the engine calls at the end of each run under way
        self._by_index: list[Task] = []
        self._nodes: set[int] = set()
        self._has_backward = False
        self.doubt: Exception | None = None  # that whose gradients they are is known
        self._held: list[OutputGradientHook] = []
        self._n_held = 0
        self._copied: list[tuple[list[OutputGradientHook], SmallCopies]] = []
        self.n_copied = 0  # entries of gradients whose norms are still to be taken

    @property
    def has_begun(self) -> bool:
        """Whether anything has happened that belongs to this step."""
        return bool(self.tasks or self._calls)

    def count(self, layer: Layer) -> int:
        """Count a call of a layer and return its number within the forward pass."""
        call = self._calls.get(layer.number, 0)
        # A forward pass after the loss's backward, or after a forward pass that raised; while nothing is added again.
        if self.tasks and (call or self._has_backward) and torch._C._current_graph_task_id() == -1:
            if self._has_backward:
                self._calls.clear()
                self._has_backward, call = False, 0
                self._running.clear()  # a backward pass that raised does not say that it has ended
            self._forget_cleared()
        self._calls[layer.number] = call + 1
        return call

    def watch(self, layer: Layer, call: int, returned: Any, args: tuple[Any, ...]) -> None:
        """Put a hook on each tensor that a layer returned; the hooks keep the norms of their gradients."""
        task = torch._C._current_graph_task_id()
        # Reentrant checkpointing runs the forward inside the backward pass: that pass is the one it belongs to.
        backward = -1 if task == -1 else self.index_of(self.task())
        if type(returned) is Tensor:  # nearly always
            self._watch_tensor(OutputGradientHook(self, layer, call, 0, backward), returned, args)
        else:
            tensors = [*tensors_in(returned)]
            for index, tensor in enumerate(tensors):
                self._watch_tensor(OutputGradientHook(self, layer, call, index, backward), tensor, args)
            if not tensors:
                self.without_tensor |= {layer.number}

    def lose(self, layer: Layer, error: Exception) -> None:
        """Note a tensor that a layer returned in its last call and that cannot be watched."""
        self._uncounted |= {layer.name}
        call = max(self._calls.get(layer.number, 0) - 1, 0)
        index = sum(one.layer is layer and one.call == call and one.task is None for one in self.outputs)
        output = OutputGradientHook(self, layer, call, index, -1)
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
        if self.tasks:
            # A run that raised does not say that it has ended, but the engine lets go of what it was to call then.
            self._running = {one: end for one, end in self._running.items() if end() is not None}
            if not self._running:
                self._forget_cleared()
        end = partial(self._end, number)
        torch.autograd.Variable._execution_engine.queue_callback(end)
        task = Task(is_adding=self.accumulation.is_adding())
        self._has_backward |= task.is_adding
        self.tasks[number] = task  # now that nothing is left that may fail: if it does, the next hook begins again
        self._running[number] = weakref.ref(end)
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
        if not task.is_adding and task.is_part is None:
            task.is_part = adds_to_a_leaf(torch._C._current_autograd_node())
        if task.is_adding and not outer.is_adding:
            outer.is_adding = True
            self.accumulation.add(index)

    def note_summed(self, output: OutputGradientHook) -> None:
        """Note an output that several passes reach: from the next step on its gradients are added up."""
        self._to_be_summed.add((output.layer.number, output.index))

    def hold(self, output: OutputGradientHook, gradient: Tensor) -> None:
        """Hold a small gradient until the backward pass ends, when many are copied at once.

        Not later: a parameter's `.grad` may be the same memory, and what comes next clips or adds to it.
        """
        self._held.append(output)
        self._n_held += gradient.numel()
        if self._n_held > HELD:
            self.settle()

    def settle(self) -> None:
        """Copy the gradients that are held, for `take_norms`, and let go of them."""
        held, self._held, self._n_held = self._held, [], 0
        if held:
            together(self._copy, held, OutputGradientHook.fail)
            if self.n_copied > COPIED:
                self.take_norms()

    def _copy(self, held: Sequence[OutputGradientHook]) -> None:
        outputs, copies = copied(held)
        if copies is not None:
            self._copied.append((outputs, copies))
            self.n_copied += copies.n_entries

    def take_norms(self) -> None:
        """Take the norms of all gradients that were copied, and let go of them."""
        while self._copied:
            keep_all(*self._copied[0])
            del self._copied[0]
        self.n_copied = 0

    def let_go(self) -> None:
        """Let go of the outputs, which know the pass: Python's garbage collector would have to find them."""
        self.outputs = []

    def finish(self) -> None:
        """End the step, when the optimizers have used the gradients: say whose gradient each output has."""
        try:
            self.settle()
            if self.doubt is not None:
                for output in self.outputs:
                    output.lose()
                self.on_failure("whose gradients arrived at the outputs", self.doubt)
            elif self.outputs:
                together(self._conclude, self.outputs, OutputGradientHook.fail)
        finally:
            self.is_over = True
            self.accumulation.close()

    def _conclude(self, outputs: Sequence[OutputGradientHook]) -> None:
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
        return task.may_be_used and self.accumulation.is_used(index, layer)

    def _end(self, number: int) -> None:
        """Settle at the end of a backward pass; the time that it takes is the recorder's."""
        began = time.perf_counter()
        try:
            self._running.pop(number, None)
            self.settle()
            if not self._running:
                self.accumulation.end_pass()
        except Exception as error:
            self.on_failure("the end of a backward pass", error)
        self.seconds += time.perf_counter() - began

    def add(self, output: OutputGradientHook) -> None:
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
            self.outputs, self._held, self._n_held, self._copied, self.n_copied = [], [], 0, [], 0

    def _watch_tensor(self, output: OutputGradientHook, tensor: Tensor, args: tuple[Any, ...]) -> None:
        if len(self.outputs) < MAX_OUTPUTS and not self.is_full:
            self.outputs.append(output)
        else:
            self.add(output)
        if self.is_full:
            return
        try:
            if self.with_statistics and output.layer.module is not None:
                output.statistics = statistics(output.layer.module, tensor, partial(self._lose_statistic, output.layer))
            if self.with_counts and not output.index:
                self._count(output.layer, tensor)
            if not tensor.requires_grad:
                return
            output.status = NO_GRADIENT
            if output.backward >= 0 and _is_watched(tensor, output):
                return
            node = tensor.grad_fn
            output.made_by = type(node)
            number = -1 if node is None else node._sequence_nr()
            # A layer that returned one of its inputs as it was: its gradient is then that of all the tensor's uses.
            # An in-place layer returns its input too, but changed, with a graph node that no layer has returned before.
            if _is_among(tensor, args) and (tensor._version == 0 or number in self._nodes):
                output.arrives_as = IS_INPUT
            self._nodes.add(number)
            handle = add_hook(tensor, output)
            if handle is not None and tensor.is_leaf:
                self.handles.append(handle)
            base = tensor._base
            if base is not None and base.requires_grad:
                watch_base(output, tensor, base, args)
        except Exception as error:
            self._uncounted |= {output.layer.name}
            output.fail(error)

    def _count(self, layer: Layer, tensor: Tensor) -> None:
        """Count the entries of a layer's output by their size, with those of its other calls."""
        try:
            if is_counted(tensor):
                counts = counts_of(tensor)
                key = (layer.name, torch._C._current_graph_task_id() != -1, len(counts))
                self._counts[key] = self._counts[key] + counts if key in self._counts else counts
        except Exception as error:
            self._uncounted |= {layer.name}
            self.on_failure(f"the distribution of the output of {layer.name}", error)

    @property
    def counts(self) -> dict[tuple[str, int], Counts]:
        """The counts of whole outputs by layer and their length, which tells types apart: those of the forward pass.

        Checkpointing runs it again within the backward pass; what was seen nowhere else, it did not see the first time.
        """
        if self.is_full:
            return {}
        seen = {layer for layer, is_again, _ in self._counts if not is_again}
        return {
            (layer, length): counts
            for (layer, is_again, length), counts in self._counts.items()
            if layer not in self._uncounted and not (is_again and layer in seen)
        }

    def _lose_statistic(self, layer: Layer, name: str, error: Exception) -> None:
        self.on_failure(f"{name} of {layer.name}", error)


def _is_watched(tensor: Tensor, output: OutputGradientHook) -> bool:
    """Whether a tensor that a layer returns within a backward pass is one that it returned before that pass.

    So it is where checkpointing runs a layer again that returns a parameter, or its input.
    """
    hooks = tensor._backward_hooks or {}
    return any(isinstance(hook, OutputGradientHook) and hook.was_there_before(output) for hook in hooks.values())


def _is_among(tensor: Tensor, args: tuple[Any, ...]) -> bool:
    """Whether a tensor is one of a layer's arguments, or in a nest among them."""
    for arg in args:
        if arg is tensor or (type(arg) is not Tensor and any(tensor is inner for inner in tensors_in(arg))):
            return True
    return False
