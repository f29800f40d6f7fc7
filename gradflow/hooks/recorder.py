"""Recorder: attached to one model, it turns backward passes into rows, without changing the training."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradflow import storage
from gradflow.hooks import endings, rows, sharded
from gradflow.hooks.accumulation import Accumulation, Owners
from gradflow.hooks.attachment import Attachment
from gradflow.hooks.coverage import coverage, has_compiled, unmeasurable
from gradflow.hooks.gradients import OutputHook, remove
from gradflow.hooks.layers import Layer
from gradflow.hooks.optimizers import MAX_WAIT, OptimizerHooks, Turns, scale_of_outputs
from gradflow.hooks.passes import OutputName, Pass
from gradflow.hooks.readings import Parameters, Readings
from gradflow.hooks.schedule import Schedule
from gradflow.hooks.stream import Stream
from gradflow.hooks.surroundings import describe
from gradflow.hooks.times import Sequences, is_recurrent
from gradflow.hooks.verify import Verification, verify
from gradflow.recording import Recording

FLUSH_ROWS = 50_000  # rows kept as device scalars before they are moved and become a table
MAX_SHAPES = 5  # of tensors that are no parameters, in the description of a run


class GradflowWarning(UserWarning):
    """Something could not be measured; training goes on."""


class Recorder:
    """A recorder attached to one model; made by `gradflow.record`, which describes its arguments."""

    _stream: Stream | None = None

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizers: list[Optimizer],
        scaler: torch.amp.GradScaler | None,
        schedule: Schedule,
        layers: list[Layer],
        activations: bool,
        statistics: bool,
        weights: bool,
        compiled: bool,
        path: str | os.PathLike[str] | None,
        strict: bool,
        meta: Mapping[str, Any],
    ) -> None:
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if not trainable:
            raise ValueError(f"{type(model).__name__} has no parameter that requires a gradient; nothing to record.")
        if any(isinstance(hook, OutputHook) and hook.owner for hook in _forward_hooks(model)):
            raise ValueError(f"{type(model).__name__} is being recorded already; close that recorder first.")
        self._root = model
        self._layers = layers
        self._parameters = Parameters(trainable, layers)
        self._schedule = schedule
        self._scaler = scaler
        self._watches = activations or statistics
        self._statistics = statistics
        self._weights = weights
        self._strict = strict
        self._warned: set[str] = set()
        self._thread = threading.get_ident()
        read_at = "as the optimizer used them" if optimizers else "as in .grad when step() was called"
        self._meta = {**meta, **describe(model, trainable), "gradients": read_at}
        self._meta |= {"optimizers": len(optimizers), "weights_recorded": weights}
        if sharded.is_distributed():
            self._meta["outputs"] = "rank-local: the gradient of this process's part of the batch"
            if any(map(sharded.is_sharded, trainable)):
                sharded.check_schedules([bool(schedule(step)) for step in range(sharded.COMPARED_STEPS)])
        # Of several processes rank 0 writes; the others let go of rows that have gone to the file.
        self._writer = storage.Writer(path, may_continue=True) if path is not None and sharded.rank() == 0 else None
        self._drops_rows = path is not None and self._writer is None
        self._attachment = Attachment(model, layers, self._on_output, self._on_unseen, owner=self, compiled=compiled)
        self._buffer = rows.Buffer(self._layers, self._parameters)
        self._accumulation = Accumulation(Owners(self._layers, self._parameters.every, optimizers))
        self._summed: set[OutputName] = set()
        self._optimizers = optimizers
        self._turns = Turns(optimizers, self._on_idle)
        self._n_calls = 0  # of step() since an optimizer stepped
        self._optimizer_hooks = OptimizerHooks(optimizers, self._before_step, self._before_update, self._after_update)
        self._step = 0
        self._n_recorded = 0
        self._closed = False
        self._seconds = 0.0
        self._started = time.perf_counter()
        self._pass = self._new_pass()
        self._sequences = Sequences(self._pass)
        self._arm()
        self._whole = endings.Whole()
        if self._writer is not None:
            self._stream = Stream(self._writer, self._buffer)
            endings.join(self)

    def step(self, *, loss: Any = None, batch_error: Any = None, **scalars: Any) -> None:
        """End one training step: read the gradients, if the step is due, and keep the scalars.

        Call it after `backward()` and before the gradients are changed or cleared. A recorder that was given the
        optimizer ends its steps by itself; this then keeps the scalars and, on recorded steps, the total gradient
        norm as it is now: called before clipping, the norm before clipping (`unclipped_grad_norm`).

        Parameters
        ----------
        loss, batch_error, **scalars : float or 0-d tensor
            One value each, kept in `recording.steps`. Tensors are detached and moved at the next flush, not now.

        Raises
        ------
        RuntimeError
            The recorder is closed, or the call comes from another thread than `record` did.
        ValueError
            A scalar is a tensor of several entries.
        """
        if self._closed:
            raise RuntimeError("step() was called after close(); attach a new recorder with gradflow.record(model).")
        if threading.get_ident() != self._thread:
            raise RuntimeError("step() was called from another thread than record(); use one recorder a thread.")
        began = time.perf_counter()
        values = {"loss": loss, "batch_error": batch_error, **scalars}
        self._scalars |= {key: rows.scalar(key, value) for key, value in values.items() if value is not None}
        if self._is_due:
            self._readings.read_after_backward(self._optimizers)
            if not self._optimizers:
                self._readings.read_weights()
        if not self._optimizers:
            self._accumulation.use()
            self._finish()
        else:
            self._n_calls += 1
            if self._n_calls == MAX_WAIT:
                self._warn(
                    f"step() was called {MAX_WAIT} times while the optimizer given to record() made no step, so none "
                    "was recorded. If another optimizer took its place, attach a new recorder with that one."
                )
            if self._is_due:
                self._scalars["unclipped_grad_norm"] = rows.combined(self._readings.arrived_gradients)
        self._seconds += time.perf_counter() - began

    @endings.whole
    def state_dict(self) -> dict[str, Any]:
        """Return what a recorder of the same `path` needs to go on from here, as JSON values, for a checkpoint.

        Call it between two steps. All rows so far are on disk on return.

        Returns
        -------
        dict
            The number of steps and of rows written, the layers' places in the network and the time spent.

        Raises
        ------
        RuntimeError
            The recorder has no `path`: its rows end with the process.
        OSError
            The rows cannot be written.

        Examples
        --------
        Train on from a checkpoint, in a new process:

        >>> import tempfile, gradflow
        >>> path, model = tempfile.mkdtemp(), nn.Linear(3, 1)
        >>> def train_step(recorder):
        ...     model(torch.ones(2, 3)).sum().backward()
        ...     recorder.step()
        >>> recorder = gradflow.record(model, path=path)
        >>> train_step(recorder)
        >>> checkpoint = {"model": model.state_dict(), "recorder": recorder.state_dict()}
        >>> train_step(recorder)  # not in the checkpoint
        >>> recorder.close()
        >>> with gradflow.record(model, path=path) as recorder:
        ...     recorder.load_state_dict(checkpoint["recorder"])
        ...     train_step(recorder)
        >>> recorder.recording.steps.step.tolist()
        [0, 1]
        """
        if self._stream is not None:
            self._buffer.flush()
            self._stream.write(self.meta)
        elif self._drops_rows:
            self.flush()
        else:
            raise RuntimeError("state_dict() needs the rows on disk: make the recorder with record(model, path=...).")
        return {
            "step": self._step,
            "n_recorded": self._n_recorded,
            "rows": {} if self._writer is None else self._writer.rows,
            "places": self._attachment.places(),
            "optimizer_steps": self._turns.n_steps,
            **{name: self.meta[name] for name in ("recorder_seconds", "recorded_seconds")},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was taken; rows that were written to `path` later are dropped.

        Call it before the first step.

        Raises
        ------
        ValueError
            The state is of a recorder of other layers.
        StorageError
            `path` does not hold the rows that the state counts; `DamagedError` if parts of it are damaged.
        """
        try:
            self._attachment.check_places(state["places"])
            if self._writer is not None:
                self._writer.go_on(state["rows"])
        except BaseException:
            if self._writer is not None and self._writer.is_waiting:
                self._writer.close()  # another recorder may go on with it
            raise
        self._attachment.take_places(state["places"])
        self._step, self._n_recorded = state["step"], state["n_recorded"]
        self._turns.n_steps = state.get("optimizer_steps", 0)
        self._seconds = state["recorder_seconds"]
        self._started = time.perf_counter() - state["recorded_seconds"]
        self._arm()

    @property
    def recording(self) -> Recording:
        """What was recorded so far. Moves what is still on the device, in one transfer."""
        self.flush()
        if self._writer is not None:
            return storage.load_one(self._writer.folder)
        return Recording(**self._buffer.tables(), meta=self.meta)

    @property
    def meta(self) -> dict[str, Any]:
        """What was recorded and how; JSON values."""
        elapsed = time.perf_counter() - self._started
        steps = {"optimizer_steps": self._turns.n_steps} if self._optimizers else {}
        return {**self._meta, **steps, "recorder_seconds": self._seconds, "recorded_seconds": elapsed}

    def coverage(self) -> pd.DataFrame:
        """Return what is known of each layer at the last recorded step.

        Returns
        -------
        DataFrame
            One row per layer, in execution order: layer, kind, n_params, status, reason. Before the first recorded
            step every status is empty.
        """
        return coverage(self._layers, self.recording.layers)

    def verify(self, closure: Callable[[], Tensor]) -> Verification:
        """Compute one step twice, by this recorder's hooks and by `torch.autograd.grad` without them, and compare.

        Nothing is recorded, and parameters, gradients, buffers and random state stay as they are.

        Parameters
        ----------
        closure : callable
            Runs the model and returns the loss; called twice with the same random state.

        Returns
        -------
        Verification
            The largest relative difference of a norm, where it was found, and how many norms were compared.

        Examples
        --------
        >>> import gradflow
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        >>> with gradflow.record(model) as recorder:
        ...     recorder.verify(lambda: model(torch.ones(2, 4)).square().sum()).largest < 1e-6
        True
        """
        is_attached = self._attachment.is_attached
        self._attachment.detach()
        try:
            return verify(self._root, self._layers, closure)
        finally:
            if is_attached:
                self._attachment.attach()

    @endings.whole
    def flush(self) -> None:
        """Move everything kept on the device in one transfer, and write it if the recorder streams to a folder.

        Rows that cannot be written, since the disk is full, stay in memory, and every later call tries again.
        """
        if self._stream is not None:
            self._tell(self._stream.flush(self.meta))
            return
        self._buffer.flush()
        if self._drops_rows:
            self._buffer.drain(lambda table, frame: None)

    def _tell(self, said: str | None) -> None:
        """Warn of rows that cannot be written, or raise why."""
        if self._strict and self._stream is not None and self._stream.error is not None:
            raise self._stream.error
        if said is not None:
            self._warn(said)

    @endings.whole
    def close(self) -> None:
        """Remove every hook and flush; twice is as good as once.

        Where rows cannot be written, a warning says how many are missing, and another call tries again.
        """
        self._attachment.detach()
        remove(self._pass.handles)
        self._optimizer_hooks.remove()
        if not self._closed:
            self._closed = True
            if self._optimizers and self._n_calls and not self._turns.n_steps:
                self._warn("the optimizer given to record() made no step, so no step was recorded.")
        if self._stream is None:
            self.flush()
            return
        self._tell(self._stream.close(self.meta))
        if self._stream.error is None:
            endings.leave(self)

    def __del__(self) -> None:
        """Write what a recorder holds that is dropped without `close`."""
        if self._stream is not None:
            self.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _arm(self) -> None:
        """Make ready for the next step: hooks are attached exactly if it is due."""
        self._scalars: dict[str, Any] = {}
        self._is_due = bool(self._schedule(self._step))
        if not self._is_due or self._closed:
            self._attachment.detach()
            return
        self._pass = self._new_pass()
        self._unseen: set[int] = set()
        self._sequences = Sequences(self._pass)
        self._readings = Readings(
            self._parameters, scaler=self._scaler, with_weights=self._weights, on_failure=self._on_failure
        )
        if self._watches or not self._n_recorded:  # the first time, to see the layers' places in the network
            self._attachment.attach()
        else:
            self._attachment.detach()

    def _new_pass(self) -> Pass:
        scaler = self._scaler
        self._accumulation.start()
        return Pass(
            self._accumulation,
            self._summed,
            with_statistics=self._statistics,
            read_scale=lambda: scale_of_outputs(scaler),
            on_failure=self._on_failure,
        )

    def _on_output(self, layer: Layer, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Watch each tensor that a layer returned. A replica's output (DataParallel) is not the layer's."""
        if module is not layer.module:
            return
        began = time.perf_counter()
        try:
            call = self._pass.count(layer)
            if self._attachment.is_placing:
                self._attachment.place(layer, call, args, output)
            if self._watches:
                self._pass.watch(layer, call, output, args)
                if is_recurrent(module):
                    self._sequences.watch(layer, args, output)
        except Exception as error:  # a measurement that fails must not end the user's forward pass
            self._on_failure(error)
        self._seconds += time.perf_counter() - began

    def _on_unseen(self, layer: Layer) -> None:
        """Note that a layer ran without gradients."""
        self._unseen.add(layer.number)
        self._attachment.note_unseen(layer)

    def _before_step(self, optimizer: Optimizer) -> None:
        """Keep weights and parameters as they are before an optimizer's step."""
        if self._is_due and not self._closed:
            began = time.perf_counter()
            self._readings.keep(optimizer)
            self._readings.read_weights(optimizer)
            self._seconds += time.perf_counter() - began

    def _before_update(self, optimizer: Optimizer) -> None:
        """Read the gradients that an optimizer uses."""
        if self._is_due and not self._closed:
            began = time.perf_counter()
            self._use(optimizer)
            self._seconds += time.perf_counter() - began

    def _use(self, optimizer: Optimizer) -> None:
        self._readings.read_where_used(optimizer)
        self._accumulation.use(optimizer)

    def _after_update(self, optimizer: Optimizer) -> None:
        """Read an optimizer's update; when all optimizers have stepped, the step ends."""
        if self._closed:
            return
        began = time.perf_counter()
        if self._is_due:
            self._readings.read_updates(optimizer)
        self._n_calls = 0
        if self._turns.take(optimizer):
            if self._is_due:
                for absent in self._turns.absent():
                    self._use(absent)
            self._finish()
        self._seconds += time.perf_counter() - began

    @endings.whole
    def _finish(self) -> None:
        """End the step: what was read becomes rows."""
        if self._writer is not None:
            self._writer.check_open()
        if self._is_due:
            self._pass.finish()
            readings = self._readings
            self._scalars["total_grad_norm"] = rows.combined(readings.arrived_gradients)
            if self._optimizers:
                readings.read_rest()
            form = self._buffer.add_layers(
                self._step,
                readings,
                self._pass.outputs,
                is_watched=self._watches,
                is_compiled=self._is_compiled(),
                unseen=frozenset(self._unseen),
            )
            self._buffer.add_times(self._step, self._sequences.readings)
            if not self._n_recorded and self._watches and (missing := unmeasurable(self._layers, form)):
                self._warn(missing)
            self._n_recorded += 1
            self._seconds += self._pass.seconds
            remove(self._pass.handles)
            self._end_placing()
        self._buffer.add_scalars(self._step, self._scalars)
        if self._buffer.n_waiting >= FLUSH_ROWS or (self._stream is not None and self._stream.is_late):
            self.flush()
        self._step += 1
        self._arm()

    def _end_placing(self) -> None:
        """Keep what the step showed of the layers' graph."""
        if not self._attachment.is_placing:
            return
        leaves = self._attachment.end_step()
        self._buffer.add_edges(self._attachment.edges)
        self._attachment.edges = []
        if leaves and not sharded.is_distributed():  # shards' parameters are gathered into tensors of other names
            shapes = [list(leaf.shape) for leaf in leaves[:MAX_SHAPES]]
            self._meta["unregistered"] = {"count": len(leaves), "shapes": shapes}

    def _is_compiled(self) -> bool:
        """Whether gradients arrived although no layer was seen running: hooks do not fire in compiled code."""
        if not self._readings.arrived:
            self._warn("no parameter has a gradient: call step() after backward() and before zero_grad().")
            return False
        if self._pass.outputs or not (self._watches and self._attachment.is_attached and self._attachment.n_hooked):
            return False
        self._warn(
            "no layer of the model was seen running since the last step, so gradients of parameters are recorded and "
            "of outputs not. Layers that run inside torch.compile are seen only with record(..., compiled=True) before "
            "the first call; layers that are not called as modules cannot be seen."
        )
        return has_compiled()

    def _on_idle(self, number: int) -> None:
        self._warn(
            f"optimizer[{number}] ({type(self._optimizers[number]).__name__}) has not stepped in {MAX_WAIT} steps of "
            "another one; from now on a step ends without it."
        )

    def _on_failure(self, error: Exception) -> None:
        if self._strict:
            raise error
        self._warn(f"a measurement failed ({type(error).__name__}: {error}); training goes on. strict=True raises.")

    def _warn(self, message: str) -> None:
        """Warn, once for each message."""
        if message not in self._warned:
            self._warned.add(message)
            warnings.warn(message, GradflowWarning, stacklevel=4)


def _forward_hooks(model: nn.Module) -> Iterable[Any]:
    return (hook for module in model.modules() for hook in module._forward_hooks.values())
