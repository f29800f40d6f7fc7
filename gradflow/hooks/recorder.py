"""record(): per-layer gradient norms of a model in training, without changing the training."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from gradflow import storage
from gradflow.hooks import rows
from gradflow.hooks.gradients import OutputHook, remove, tensors_in
from gradflow.hooks.layers import GraphDepth, is_weighted, select_layers, stage_key
from gradflow.hooks.norms import count_nonfinite, l2_norm
from gradflow.hooks.schedule import Schedule, as_schedule
from gradflow.recording import Recording

FLUSH_ROWS = 50_000  # layer rows kept as device scalars before they are moved and become a table


def record(
    model: nn.Module,
    *,
    schedule: int | Schedule = 1,
    layers: str | Iterable[str] = "*",
    exclude: str | Iterable[str] = (),
    activations: bool = True,
    weights: bool = False,
    path: str | os.PathLike[str] | None = None,
    name: str = "model",
    meta: Mapping[str, Any] | None = None,
) -> Recorder:
    """Attach a recorder to a model; call its `step` after each `backward()`.

    Losses, gradients, weights, buffers and random state stay bit-identical to a run without it.

    Parameters
    ----------
    model : nn.Module
        The model in training. On recorded steps it carries one forward hook a layer, otherwise none.
    schedule : int or callable
        Record every k-th step, or the steps for which `schedule(step)` is true (`gradflow.hooks.Every`).
    layers, exclude : str or iterable of str
        Shell patterns of dotted names, as in `gradflow.hooks.select_layers`.
    activations : bool
        Record the gradient with respect to each layer's output too; without it no hook is attached at all.
    weights : bool
        Record the norm of each layer's parameters too.
    path : path, optional
        Stream the rows into this folder, which `gradflow.load` reads. Otherwise they are kept in memory.
    name : str
        The run's name in figures and reports.
    meta : mapping, optional
        Anything worth keeping with the numbers, as JSON values: seed, depth, data, ...

    Returns
    -------
    Recorder
        Also a context manager, which closes it.

    Raises
    ------
    ValueError
        The model has nothing trainable, is being recorded already, or a pattern matches no layer.

    Examples
    --------
    >>> model = nn.Linear(3, 1)
    >>> with record(model) as recorder:
    ...     model(torch.ones(2, 3)).sum().backward()
    ...     recorder.step()
    >>> float(recorder.recording.layers.grad_norm.iloc[0])  # sqrt(2² + 2² + 2² + 2²)
    4.0
    """
    return Recorder(
        model,
        schedule=as_schedule(schedule),
        layers=select_layers(model, layers, exclude),
        activations=activations,
        weights=weights,
        path=path,
        meta={"run": name, **(meta or {})},
    )


class Recorder:
    """A recorder attached to one model; made by `record`."""

    def __init__(
        self,
        model: nn.Module,
        *,
        schedule: Schedule,
        layers: Mapping[str, nn.Module],
        activations: bool,
        weights: bool,
        path: str | os.PathLike[str] | None,
        meta: Mapping[str, Any],
    ) -> None:
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if not self._parameters:
            raise ValueError(f"{type(model).__name__} has no parameter that requires a gradient; nothing to record.")
        if any(isinstance(hook, OutputHook) and hook.owner for hook in _forward_hooks(model)):
            raise ValueError(f"{type(model).__name__} is being recorded already; close that recorder first.")
        self._layers = _layers_of(layers)
        self._root = model
        self._schedule = schedule
        self._activations = activations
        self._weights = weights
        self._writer = storage.Writer(path) if path is not None else None
        self._meta = {**meta, **rows.describe(model, self._parameters)}
        self._handles: list[RemovableHandle] = []
        self._graph = GraphDepth()
        self._buffer = rows.Buffer(self._layers)
        self._pass = _Pass()
        self._step = 0
        self._closed = False
        self._overhead_seconds = 0.0
        self._started = time.perf_counter()
        self._arm()

    def step(self, *, loss: Any = None, batch_error: Any = None, **scalars: Any) -> None:
        """End one training step: read the gradients, if the step is due, and keep the scalars.

        Call it after `backward()` and before the optimizer changes or clears the gradients.

        Parameters
        ----------
        loss, batch_error, **scalars : float or 0-d tensor
            One value each, kept in `recording.steps`. Tensors are detached and moved at the next flush, not now.

        Raises
        ------
        RuntimeError
            The recorder is closed.
        ValueError
            A scalar is a tensor of several entries.
        """
        if self._closed:
            raise RuntimeError("step() was called after close(); attach a new recorder with gradflow.record(model).")
        began = time.perf_counter()
        values = {"loss": loss, "batch_error": batch_error, **scalars}
        kept = {key: _scalar(key, value) for key, value in values.items() if value is not None}
        self._buffer.add_scalars(self._step, kept)
        if self._is_due:
            self._buffer.add_gradients(self._step, self._read_gradients(), self._pass.entries)
            if self._buffer.n_rows >= FLUSH_ROWS:
                self.flush()
        self._step += 1
        self._arm()
        self._overhead_seconds += time.perf_counter() - began

    @property
    def recording(self) -> Recording:
        """What was recorded so far. Moves what is still on the device, in one transfer."""
        self.flush()
        if self._writer is not None:
            return storage.load(self._writer.folder)
        return Recording(**self._buffer.tables(), meta=self.meta)

    @property
    def meta(self) -> dict[str, Any]:
        """What was recorded and how; JSON values."""
        elapsed = time.perf_counter() - self._started
        return {
            **self._meta,
            "recorder_seconds": self._overhead_seconds,
            "recorded_seconds": elapsed,
        }

    def flush(self) -> None:
        """Move everything kept on the device in one transfer, and write it if the recorder streams to a folder."""
        self._buffer.flush()
        if self._writer is not None:
            for table, frame in self._buffer.take().items():
                self._writer.append(table, frame)
            self._writer.commit(self.meta)

    def close(self) -> None:
        """Remove every hook and flush; twice is as good as once."""
        self._detach()
        if not self._closed:
            self._closed = True
            self.flush()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _arm(self) -> None:
        """Make ready for the next step: hooks are attached exactly if it is due."""
        self._pass = _Pass()
        self._is_due = bool(self._schedule(self._step))
        if self._is_due and self._activations and not self._closed:
            self._attach()
        else:
            self._detach()

    def _attach(self) -> None:
        if not self._handles:
            hooks = ((layer.module, OutputHook(self._on_output, layer, owner=self)) for layer in self._layers)
            self._handles = [module.register_forward_hook(hook) for module, hook in hooks]
            if any(layer.depth is None for layer in self._layers):
                forget = OutputHook(self._forget_graph, None, owner=self)
                self._handles.append(self._root.register_forward_hook(forget))

    def _detach(self) -> None:
        remove(self._handles)
        self._handles = []
        self._graph.clear()

    def _forget_graph(self, key: None, args: tuple[Any, ...], output: Any) -> None:
        """Let go of the autograd graph when the whole forward pass is done: depths are known by then."""
        self._graph.clear()

    def _on_output(self, layer: rows.Layer, args: tuple[Any, ...], output: Any) -> None:
        """Put a hook on each tensor that a layer returned; the hook keeps the norm of its gradient."""
        began = time.perf_counter()
        call = self._pass.next_call(layer)
        for index, tensor in enumerate(tensors_in(output)):
            if layer.order is None:
                self._place(layer, tensor)
            if tensor.requires_grad:
                entry = Entry(self, self._pass, layer, call, index)
                entry.is_input = self._pass.is_input(tensor, args)
                tensor.register_hook(entry)
                self._pass.entries.append(entry)
        self._overhead_seconds += time.perf_counter() - began

    def _place(self, layer: rows.Layer, output: Tensor) -> None:
        """Note a layer's place in the network at its first call."""
        layer.order = self._buffer.next_order()
        layer.stage_key = stage_key(layer.module, output)
        layer.depth = self._graph.of(output, weighted=layer.is_weighted)

    def _read_gradients(self) -> rows.ParameterNorms:
        """Return the norms of all gradients, in the parameters' order, as device scalars."""
        norms = {}
        for parameter in self._parameters:
            if parameter.grad is not None:
                norm = l2_norm(parameter.grad)
                norms[parameter] = (norm, count_nonfinite(parameter.grad, norm))
        owned = [parameter for layer in self._layers for parameter in layer.parameters]
        weights = {parameter: l2_norm(parameter) for parameter in owned} if self._weights else {}
        return rows.ParameterNorms(gradients=norms, weights=weights)


class Entry:
    """Tensor hook of one output: keeps the first gradient's norm, holds neither gradient nor graph."""

    __slots__ = ("backward", "call", "is_input", "layer", "n_nonfinite", "norm", "output", "passes", "recorder")

    def __init__(self, recorder: Recorder, passes: _Pass, layer: rows.Layer, call: int, output: int) -> None:
        self.recorder = recorder
        self.passes = passes
        self.layer = layer
        self.call = call
        self.output = output
        self.backward = passes.current_backward()
        self.is_input = False
        self.norm: Any = None
        self.n_nonfinite = 0

    def __call__(self, gradient: Tensor) -> None:
        """Take the norm at once; a second backward through the same output does not count."""
        if self.norm is not None:
            return
        began = time.perf_counter()
        if self.backward is None:
            self.backward = self.passes.backward_index()
        self.norm = l2_norm(gradient)
        self.n_nonfinite = count_nonfinite(gradient, self.norm)
        self.recorder._overhead_seconds += time.perf_counter() - began


class _Pass:
    """Numbers the calls and the backward passes of one step."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._calls: dict[int, int] = {}
        self._tasks: dict[int, int] = {}
        self._nodes: set[int] = set()
        self._has_backward = False

    def is_input(self, output: Tensor, args: tuple[Any, ...]) -> bool:
        """Whether a layer returned one of its inputs as it was: its gradient is then that of all the tensor's uses.

        An in-place layer returns its input too, but changed, with a graph node that no layer has returned before.
        """
        node = output.grad_fn._sequence_nr() if output.grad_fn is not None else -1
        returned = any(output is arg for arg in args)
        unchanged = returned and (output._version == 0 or node in self._nodes)
        self._nodes.add(node)
        return unchanged

    def next_call(self, layer: rows.Layer) -> int:
        """Return the layer's call index; a forward pass after a backward pass starts again at 0."""
        if self._has_backward and torch._C._current_graph_task_id() == -1:
            self._calls.clear()
            self._has_backward = False
        call = self._calls.get(id(layer), 0)
        self._calls[id(layer)] = call + 1
        return call

    def current_backward(self) -> int | None:
        """Return the index of the backward pass under way: reentrant checkpointing runs the forward inside one."""
        task = torch._C._current_graph_task_id()
        return None if task == -1 else self.backward_index()

    def backward_index(self) -> int:
        """Return the index, within the step, of the backward pass under way."""
        self._has_backward = True
        task = torch._C._current_graph_task_id()
        return self._tasks.setdefault(task, len(self._tasks))


def _layers_of(chosen: Mapping[str, nn.Module]) -> list[rows.Layer]:
    """Return the chosen layers; a parameter that several share belongs to the first."""
    owned: set[Tensor] = set()
    layers = []
    for name, module in chosen.items():
        parameters = [parameter for parameter in module.parameters(recurse=False) if parameter not in owned]
        owned.update(parameters)
        layers.append(rows.Layer(name, module, is_weighted(module), parameters))
    return layers


def _forward_hooks(model: nn.Module) -> Iterable[Any]:
    return (hook for module in model.modules() for hook in module._forward_hooks.values())


def _scalar(key: str, value: Any) -> Any:
    """Return a detached 0-d tensor or a float."""
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ValueError(f"{key} must be one value; got a tensor of shape {tuple(value.shape)}. Pass its mean.")
        return value.detach().reshape(())
    return float(value)
