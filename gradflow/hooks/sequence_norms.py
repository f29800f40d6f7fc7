"""The gradient by time step where sequences enter and leave a recurrent layer, inside which no hook sees a step."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Sequence as Several
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from gradflow.hooks.failures import OnFailure, retried, together
from gradflow.hooks.gradients import add_hook, tensors_in
from gradflow.hooks.layers import Layer
from gradflow.hooks.norms import l2_norms_along, unscaled
from gradflow.hooks.passes import Pass, Task

MAX_TIMES = 256  # positions of one sequence that become rows
INPUT, OUTPUT = "input", "output"


class Sequence(NamedTuple):
    """A tensor that holds sequences, the dimension of time in it, and the batch sizes of packed ones."""

    tensor: Tensor
    dim: int
    batch_sizes: Tensor | None

    @property
    def length(self) -> int:
        """Number of time steps."""
        return int(self.tensor.shape[self.dim]) if self.batch_sizes is None else len(self.batch_sizes)


class Sequences:
    """The calls of recurrent layers in one training step, and the gradients that arrive at their sequences.

    A call that is given the state that the layer's previous call returned continues its positions: a decoder called
    once a token has one sequence. Any other call begins at position 0.
    """

    def __init__(self, owner: Pass) -> None:
        self.readings: list[Reading] = []
        self._pass = owner
        self._lost: set[Layer] = set()
        self._ends: dict[Layer, tuple[weakref.ref[Tensor], int]] = {}

    def watch(self, layer: Layer, args: tuple[Any, ...], returned: Any) -> None:
        """Put a hook on the sequence that a recurrent layer was given, if it requires a gradient, and on its output."""
        try:
            self._watch(layer, args, returned)
        except Exception as error:
            self.lose(layer)
            self._pass.on_failure(f"the gradient by time step of {layer.name}", error)

    def _watch(self, layer: Layer, args: tuple[Any, ...], returned: Any) -> None:
        batch_first = bool(getattr(layer.module, "batch_first", False))
        given = _sequence(args[0], batch_first=batch_first) if args else None
        is_pair = isinstance(returned, tuple) and not isinstance(returned, PackedSequence)
        output = _sequence(returned[0] if is_pair else returned, batch_first=batch_first)
        if given is not None and output is not None and given.length != output.length:
            output = None  # a subclass that returns something else
        known = given or output
        if known is None:
            return
        start = self._start(layer, args)
        state = next(tensors_in(returned[1:]), None) if is_pair else None
        if state is not None:
            self._ends[layer] = weakref.ref(state), start + known.length
        for name, sequence in ((INPUT, given), (OUTPUT, output)):
            if sequence is not None and sequence.tensor.requires_grad:
                self._hook(Reading(self._pass, layer, name, start, sequence), sequence.tensor)

    def lose(self, layer: Layer) -> None:
        """Note that a call of a layer was missed."""
        self._lost.add(layer)

    def read(self) -> list[Reading]:
        """Return the readings; those of a layer of which a sequence is missing are no norms of all of them."""
        for reading in self.readings:
            reading.has_failed |= reading.layer in self._lost
        return self.readings

    def _start(self, layer: Layer, args: tuple[Any, ...]) -> int:
        previous = self._ends.get(layer)
        state = next(tensors_in(args[1:]), None)
        return previous[1] if previous is not None and state is not None and previous[0]() is state else 0

    def _hook(self, reading: Reading, tensor: Tensor) -> None:
        self.readings.append(reading)
        handle = add_hook(tensor, reading)
        if handle is not None and tensor.is_leaf:
            self._pass.handles.append(handle)


def _sequence(value: Any, *, batch_first: bool) -> Sequence | None:
    """Return the sequence in an argument or output: (time, batch, features), (batch, time, features) or unbatched."""
    if isinstance(value, PackedSequence):
        return Sequence(value.data, 0, value.batch_sizes)
    if isinstance(value, Tensor) and value.dim() in (2, 3):
        return Sequence(value, int(batch_first and value.dim() == 3), None)
    return None


class Reading:
    """Tensor hook of one sequence: keeps the norms of its gradient by time step, and neither gradient nor graph."""

    __torch_unserializable__ = True  # saving the tensor warns of no hook

    def __init__(self, owner: Pass, layer: Layer, name: str, start: int, sequence: Sequence) -> None:
        self.layer = layer
        self.tensor = name
        self.start = start
        self._pass = owner
        self._dim, self._batch_sizes, self._length = sequence.dim, sequence.batch_sizes, sequence.length
        self.has_failed = False
        # Reentrant checkpointing runs the forward inside the backward pass that it belongs to.
        self._backward = -1 if torch._C._current_graph_task_id() == -1 else owner.index_of(owner.task())
        self._norms: dict[tuple[Task, int], Tensor] = {}  # by run of the engine, and the backward pass that it is of

    def __call__(self, gradient: Tensor | None) -> None:
        """Keep the norms of the gradient of the backward pass under way; None is none, as for `OutputGradientHook`."""
        owner = self._pass
        if gradient is None or owner.is_over:
            return
        began = time.perf_counter()
        try:
            task = owner.task()
            backward = self._backward if self._backward >= 0 else owner.index_of(task)
            if task.index != backward:
                owner.join(task, backward)
            norms = norms_by_time(gradient, self._dim, self._batch_sizes)
            self._norms[task, backward] = unscaled(norms, owner.scales[backward])  # type: ignore[assignment]  # a tensor
        except Exception as error:  # a measurement that fails must not end the user's backward pass
            self.fail(error)
        owner.seconds += time.perf_counter() - began

    def fail(self, error: Exception) -> None:
        """Note that the gradient could not be measured."""
        self.has_failed = True
        self._pass.on_failure(f"the gradient by time step at the {self.tensor} of {self.layer.name}", error)

    def norms(self) -> Tensor | None:
        """Return the norms by time step of the pass whose gradient was used; NaN of several, whose sum is not known."""
        if self.has_failed:
            return torch.full((self._length,), math.nan)
        found = [norms for key, norms in self._norms.items() if self._pass.is_used(*key, self.layer)]
        return torch.full_like(found[0], math.nan) if len(found) > 1 else found[0] if found else None


def norms_by_time(gradient: Tensor, dim: int, batch_sizes: Tensor | None = None) -> Tensor:
    """Return the L2 norm of a gradient at each time step, over batch and features, shape (time,), on its device.

    Parameters
    ----------
    gradient : Tensor
        Of a sequence; of packed ones their data, shape (sum of batch sizes, features).
    dim : int
        The dimension of time.
    batch_sizes : Tensor, optional
        Of packed sequences, how many reach each time step.

    Examples
    --------
    >>> norms_by_time(torch.tensor([[3.0, 4.0], [0.0, 1.0]]), 0).tolist()
    [5.0, 1.0]
    """
    norms = l2_norms_along(gradient, dim)
    if batch_sizes is None:
        return norms
    padded, _ = pad_packed_sequence(PackedSequence(norms[:, None], batch_sizes))
    return l2_norms_along(padded, 0)


class _Waiting(NamedTuple):
    """One sequence's norms at one training step, still on their device."""

    step: int
    layer: str
    tensor: str
    start: int
    norms: Tensor


class TimeRows:
    """Norms by time step waiting on their device, and the table that they become."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self.n_waiting = 0

    def add(self, step: int, readings: list[Reading]) -> None:
        """Keep what a training step's readings found."""
        waiting, n_rows = [], 0
        for reading in readings:
            try:
                norms = reading.norms()
            except Exception as error:
                reading.fail(error)
                norms = reading.norms()
            if norms is not None:
                waiting.append(_Waiting(step, reading.layer.name, reading.tensor, reading.start, norms))
                n_rows += len(norms)
        self._waiting += waiting
        self.n_waiting += n_rows

    def tables(self, on_failure: OnFailure) -> list[pd.DataFrame]:
        """Return the rows of what is waiting, after one transfer per device; no table where nothing is."""
        sequences: dict[tuple[int, str, str], list[_Waiting]] = {}
        for one in self._waiting:
            sequences.setdefault((one.step, one.layer, one.tensor), []).append(one)
        lost = "the gradient by time step, in the table"
        return (
            together(retried(_table), [*sequences.values()], lambda _, error: on_failure(lost, error))
            if sequences
            else []
        )


def _table(sequences: Several[list[_Waiting]]) -> pd.DataFrame:
    """Return the rows of sequences, each the calls and backward passes of one training step."""
    moved = iter(_moved([one.norms for parts in sequences for one in parts]))
    frames = [_rows(parts[0][:3], [(one.start, next(moved)) for one in parts]) for parts in sequences]
    return pd.concat(frames, ignore_index=True)


def _moved(norms: list[Tensor]) -> list[NDArray[np.float64]]:
    """Return tensors of one dimension as arrays: one join and one copy per device, whatever their number."""
    moved: dict[int, NDArray[np.float64]] = {}
    for device in {one.device for one in norms}:
        places = [place for place, one in enumerate(norms) if one.device == device]
        ends = np.cumsum([len(norms[place]) for place in places])[:-1]
        joined = torch.cat([norms[place] for place in places]).cpu().numpy().astype(np.float64)
        moved.update(zip(places, np.split(joined, ends), strict=True))
    return [moved[place] for place in range(len(norms))]


def _rows(key: tuple[int, str, str], parts: list[tuple[int, NDArray[np.float64]]]) -> pd.DataFrame:
    """Return a sequence's rows, at most `MAX_TIMES`, evenly spaced with both ends.

    Where several calls or backward passes share a position, as micro-batches do, its norm is that of all of them.
    """
    norms = np.full(max(start + len(part) for start, part in parts), np.nan)
    is_known = np.zeros(len(norms), dtype=bool)
    for start, part in parts:
        place = slice(start, start + len(part))
        norms[place] = np.where(is_known[place], np.hypot(norms[place], part), part)
        is_known[place] = True
    times = np.flatnonzero(is_known)
    if len(times) > MAX_TIMES:
        times = times[np.linspace(0, len(times) - 1, MAX_TIMES).round().astype(int)]
    step, layer, tensor = key
    return pd.DataFrame({"step": step, "layer": layer, "tensor": tensor, "time": times, "grad_norm": norms[times]})


def is_recurrent(module: nn.Module) -> bool:
    """Whether a module is nn.RNN, nn.LSTM, nn.GRU or derived from one."""
    return isinstance(module, nn.RNNBase)
