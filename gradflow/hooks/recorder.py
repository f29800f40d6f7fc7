"""Recorder: attached to one model, it turns backward passes into rows, without changing the training."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradflow import storage
from gradflow.hooks import endings, rows, sharded
from gradflow.hooks.attachment import Attachment
from gradflow.hooks.budget import Budget
from gradflow.hooks.clock import Clock
from gradflow.hooks.coverage import coverage, has_compiled, unmeasurable
from gradflow.hooks.environment import describe
from gradflow.hooks.failures import Failures, door, weakly
from gradflow.hooks.first_batch import described, operations_behind
from gradflow.hooks.followed_model import FollowedModel
from gradflow.hooks.gradients import OutputHook, remove
from gradflow.hooks.layers import Layer
from gradflow.hooks.optimizers import (
    MAX_WAIT,
    OptimizerHooks,
    Since,
    Turns,
    parameters_of,
    settings_of,
)
from gradflow.hooks.passes import MAX_OUTPUTS, OutputName, Pass
from gradflow.hooks.readings import Readings
from gradflow.hooks.row_layout import Conditions
from gradflow.hooks.scalers import scale_of_outputs, was_skipped
from gradflow.hooks.schedule import Schedule
from gradflow.hooks.sequence_norms import Sequences, is_recurrent
from gradflow.hooks.sinks import Sink, Sinks
from gradflow.hooks.stream import Stream
from gradflow.hooks.thinning import bounded
from gradflow.hooks.training_findings import MAX_ROWS, Lookout, OnFinding, TrainingStoppedError
from gradflow.hooks.verify import Verification, verify
from gradflow.recording import Recording

FLUSH_ROWS = 50_000  # rows kept as device scalars before they are moved and become a table
MAX_SHAPES = 5  # of tensors that are no parameters, in the description of a run


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
        distributions: Schedule | None,
        overhead: float | None,
        select: Callable[[nn.Module], list[Layer]],
        activations: bool,
        statistics: bool,
        weights: bool,
        max_calls: int | None,
        compiled: bool,
        path: str | os.PathLike[str] | None,
        strict: bool,
        on_finding: OnFinding | None,
        meta: Mapping[str, Any],
        sinks: Sequence[Sink] = (),
    ) -> None:
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if not trainable:
            raise ValueError(f"{type(model).__name__} has no parameter that requires a gradient; nothing to record.")
        if _is_recorded(model):
            raise ValueError(f"{type(model).__name__} is being recorded already; close that recorder first.")
        self._scaler = scaler
        self._watches = activations or statistics
        self._usual = Conditions(is_watched=self._watches)
        self._statistics = statistics
        self._weights = weights
        self._distributions = distributions
        self._is_counted = False  # whether the step under way has distributions
        self._max_calls = max_calls
        self._failures = failures = Failures(strict=strict)
        budget = None if overhead is None else Budget(overhead, schedule, failures.warn)
        self._schedule = budget or schedule
        # All that PyTorch holds on to is weak or gets in by a door: a recorder that is dropped must go, and take its
        # hooks along.
        attach = partial(
            Attachment,
            model,
            on_output=weakly(self._on_output),
            on_unseen=weakly(self._on_unseen),
            on_lost=weakly(self._on_lost),
            on_failure=failures,
            owner=weakref.ref(self),
            compiled=compiled,
        )
        self._model = FollowedModel(model, select, optimizers, attach, failures)
        self._thread = threading.get_ident()
        read_at = "as the optimizer used them" if optimizers else "as in .grad when step() was called"
        self._meta = {**meta, **describe(model, trainable), "gradients": read_at}
        self._meta |= {"optimizers": len(optimizers), "weights_recorded": weights, "statistics_recorded": statistics}
        self._meta |= {"optimizer_settings": settings_of(optimizers)} if optimizers else {}
        if sharded.is_distributed():
            self._meta["outputs"] = "rank-local: the gradient of this process's part of the batch"
            sharded.check_processes(schedule, distributions, overhead, trainable, are_stopped=on_finding == "stop")
        # Of several processes rank 0 writes; the others let go of rows that have gone to the file.
        self._writer = storage.Writer(path, may_continue=True) if path is not None and sharded.rank() == 0 else None
        self._drops_rows = path is not None and self._writer is None
        self._step = 0
        self._is_due = True
        self._sinks = Sinks(sinks if sharded.rank() == 0 else (), failures)
        self._buffer = rows.Buffer(self._model.layers, self._model.parameters, failures, on_tables=self._sinks.take)
        self._summed: set[OutputName] = set()
        self._optimizers = optimizers
        self._turns = Turns(optimizers, door(self._on_idle, "whose turn it is", failures))
        self._since = Since(optimizers)
        self._n_calls = 0  # of step() since an optimizer stepped
        self._comes_before = False  # whether there was one before an optimizer's step, in this step
        self._optimizer_hooks = OptimizerHooks(
            optimizers,
            scaler,
            keep=door(self._before_step, "the weights before an optimizer's step", failures),
            before=door(self._before_update, "the gradients that an optimizer uses", failures),
            after=door(self._after_update, "the end of a step", failures),
            other=door(self._after_other, "the optimizers that record() was not given", failures),
            failures=failures,
        )
        self._before_first = weakly(self._before_backward)
        self._read_scale = partial(scale_of_outputs, scaler)
        self._n_recorded = 0
        is_first = not sharded.rank() or on_finding == "stop"  # for which all processes look up at the same steps
        self._lookout = Lookout(on_finding, failures) if on_finding is not None and is_first else None
        self._is_told = bool(path is not None or sinks or self._lookout)  # whether rows go anywhere before the end
        self._closed = False
        self._clock = Clock(budget)
        self._pass = self._new_pass()
        self._sequences = Sequences(self._pass)
        self._arm()
        self._whole = endings.Whole()
        if self._writer is not None:
            self._stream = Stream(self._writer, self._buffer)
            endings.join(self)

    def step(self, *, loss: Any = None, batch_error: Any = None, **scalars: Any) -> None:
        """End one training step: read the gradients, if the step is due, and keep the scalars.

        Call it after `backward()` and before the gradients are changed or cleared. With an optimizer, the recorder
        ends its steps by itself; `step` then only keeps the scalars and, on recorded steps, the current total
        gradient norm: if called before clipping, the norm before clipping (`unclipped_grad_norm`). If called after
        the optimizer's step and before the next `backward()`, it keeps them with the step that has just ended.

        Parameters
        ----------
        loss, batch_error, **scalars : float or 0-d tensor
            One value each, kept in `recording.steps`. Tensors are detached and moved at the next flush, not now.

        Raises
        ------
        RuntimeError
            The recorder is closed, or the call comes from another thread than `record` did.
        ValueError
            A scalar is not a number, or is a tensor with several entries.
        """
        if self._closed:
            raise RuntimeError("step() was called after close(); attach a new recorder with gradflow.record(model).")
        if threading.get_ident() != self._thread:
            raise RuntimeError("step() was called from another thread than record(); use one recorder a thread.")
        if self._writer is not None:
            self._writer.check_open()
        began = time.perf_counter()
        step, was_due = self._step, self._is_due
        attempt = self._failures.attempt
        kept = {}
        for key, value in {"loss": loss, "batch_error": batch_error, **scalars}.items():
            if value is not None:
                rows.check_scalar(key, value)
                kept[key] = attempt(f"the scalar {key}", rows.scalar, value, default=math.nan)
        if "loss_operations" not in self._meta and isinstance(loss, Tensor) and loss.grad_fn is not None:
            self._meta["loss_operations"] = attempt("the loss's operations", operations_behind, loss, default=[])
            first = self._model.attachment.first_batch
            if first is not None and not attempt("what the loss reads", first.reads_outputs, loss, default=True):
                self._meta["loss_beyond_outputs"] = True
        if self._optimizers and attempt("whose step it is", self._is_of_last, default=False):
            attempt("the scalars", self._amend, kept)
            return
        if self._is_due and not self._is_checked:
            attempt("what has changed of the model", self._check_structure)
        self._scalars |= kept
        if self._is_due:
            attempt("the gradients", self._readings.read_after_backward, self._optimizers)
            if (self._weights or self._is_counted) and not self._optimizers:
                attempt("the weights", self._readings.read_weights)
        if not self._optimizers:
            if self._is_due:
                attempt("whose gradients arrived at the outputs", self._model.accumulation.use)
                attempt("the end of a step", self._finish)
            else:
                self._pass_over()
        else:
            self._n_calls += 1
            if self._n_calls == MAX_WAIT:
                self._failures.warn(
                    f"step() was called {MAX_WAIT} times while the optimizer given to record() made no step, so none "
                    "was recorded. If another optimizer took its place, attach a new recorder with that one."
                )
            if self._is_due:
                self._scalars[rows.UNCLIPPED] = attempt(rows.UNCLIPPED, self._readings.total, default=math.nan)
        self._clock.seconds += time.perf_counter() - began
        if self._clock.budget is not None and self._step > step:
            attempt("the time of a step", self._clock.end_step, step, was_due)
        if self._lookout is not None:
            self._lookout.tell()

    def _is_of_last(self) -> bool:
        """Whether `step()` is called of the step that has ended: no backward pass has added to `.grad` since."""
        if self._is_due and self._pass.tasks and any(task.is_adding for task in self._pass.tasks.values()):
            return False
        return self._since.is_untouched(self._model.parameters)

    def _amend(self, scalars: dict[str, Any]) -> None:
        """Keep scalars with the step that has just ended."""
        if not self._buffer.amend_scalars(self._step - 1, scalars):
            self._failures.warn("step() came after its step had been written, so what it was given is not recorded.")

    @endings.whole
    def state_dict(self) -> dict[str, Any]:
        """Return what a recorder with the same `path` needs to continue from here, as JSON values, for a checkpoint.

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
            "places": self._model.attachment.places(),
            "optimizer_steps": self._turns.n_steps,
            **{name: self.meta[name] for name in ("recorder_seconds", "recorded_seconds")},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from where `state_dict` was called; rows written to `path` after that are dropped.

        Call it before the first step.

        Raises
        ------
        ValueError
            The state is of a recorder of other layers.
        StorageError
            `path` does not hold the rows that the state counts; `DamagedError` if parts of it are damaged.
        """
        try:
            self._model.attachment.check_places(state["places"])
            if self._writer is not None:
                self._writer.go_on(state["rows"])
        except BaseException:
            if self._writer is not None and self._writer.is_waiting:
                self._writer.close()  # another recorder may go on with it
            raise
        self._model.attachment.take_places(state["places"])
        self._step, self._n_recorded = state["step"], state["n_recorded"]
        self._turns.n_steps = state.get("optimizer_steps", 0)
        self._clock.go_on(state)
        self._arm()

    @property
    def n_steps(self) -> int:
        """How many steps have ended."""
        return self._step

    @property
    def recording(self) -> Recording:
        """What was recorded so far. Moves what is still on the device, in one transfer."""
        self.flush()
        if self._writer is not None:
            return storage.load_one(self._writer.folder)
        return Recording.of_checked(self._buffer.tables(), self.meta)

    @property
    def meta(self) -> dict[str, Any]:
        """What was recorded and how; JSON values."""
        steps = {"optimizer_steps": self._turns.n_steps} if self._optimizers else {}
        first = self._failures.attempt("the first batch", described, self._model.attachment.first_batch, default={})
        changes = {"changes": self._model.changes} if self._model.changes else {}
        return {
            **self._meta,
            **steps,
            **first,
            **changes,
            **self._clock.described(self._n_recorded, self._step),
        }

    def coverage(self) -> pd.DataFrame:
        """Return what is known of each layer at the last recorded step.

        Returns
        -------
        DataFrame
            One row per layer, in execution order: layer, kind, n_params, status, reason. Before the first recorded
            step every status is empty.
        """
        return coverage(self._model.layers, self.recording.layers)

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
        is_attached = self._model.attachment.is_attached
        self._model.attachment.detach()
        try:
            return verify(self._model.root, self._model.layers, closure)
        finally:
            if is_attached:
                self._model.attachment.attach()

    @endings.whole
    def flush(self) -> None:
        """Move everything kept on the device in one transfer, and write it if the recorder streams to a folder.

        Rows that cannot be written, because the disk is full for example, stay in memory, and every later call
        tries again.
        """
        if self._stream is not None:
            stream = self._stream
            said = self._failures.attempt("writing the recording", lambda: stream.flush(self.meta))
            self._failures.attempt("what is missing on disk", self._tell, said)
        else:
            self._failures.attempt("the tables", self._buffer.flush)
            if self._drops_rows:
                self._buffer.drain(lambda table, frame: None)
        self._failures.attempt("telling the trackers", self._write_to_sinks)

    def _tell(self, said: str | None) -> None:
        """Warn of rows that cannot be written, or raise why."""
        if self._failures.is_strict and self._stream is not None and self._stream.error is not None:
            raise self._stream.error
        if said is not None:
            self._failures.warn(said)

    @endings.whole
    def close(self) -> None:
        """Remove every hook, flush, and diagnose the recording if `on_finding` is set; a second call does no harm.

        If rows cannot be written, a warning says how many are missing, and another call tries again.
        """
        self._failures.attempt("taking the hooks off", self._release)
        if not self._closed:
            self._closed = True
            is_refused = self._writer is not None and self._writer.is_waiting  # the folder: nothing was to be recorded
            has_begun = bool(self._n_calls or self._pass.tasks) and not is_refused
            if self._optimizers and not self._turns.n_steps and has_begun:
                self._failures.warn("the optimizer given to record() made no step, so no step was recorded.")
        stream = self._stream
        if stream is None:
            self._failures.attempt("the tables", self.flush)
        else:
            said = self._failures.attempt("writing the recording", lambda: stream.close(self.meta))
            self._failures.attempt("telling the trackers", self._write_to_sinks)
            self._failures.attempt("what is missing on disk", self._tell, said)
            if stream.error is None:
                self._failures.attempt("what is done where the process ends", endings.leave, self)
        self._failures.attempt("closing the trackers", self._sinks.close)
        lookout, self._lookout = self._lookout, None
        if lookout is not None and not lookout.stops:
            self._look(lookout)
            with contextlib.suppress(TrainingStoppedError):  # which has ended
                lookout.tell()

    def _release(self) -> None:
        """Take all hooks off the model, the optimizers and the tensors of a step under way."""
        self._optimizer_hooks.remove()
        self._model.attachment.remove()
        remove(self._pass.handles)
        self._pass.is_over = True

    def __del__(self) -> None:
        """Leave no hook behind where the recorder was dropped without `close`, and write what it holds."""
        is_made = "_whole" in vars(self)  # otherwise __init__ raised
        if not is_made or self._closed or sys.is_finalizing():
            return
        if self._stream is None:
            self._release()
        else:
            self._lookout = None  # nobody is there to be told
            self.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _arm(self) -> None:
        """Make ready for the next step: hooks are attached exactly if it is due."""
        self._scalars: dict[str, Any] = {"step": self._step}
        was_due, self._is_due = self._is_due, False  # until all is ready
        if self._closed or not self._schedule(self._step):
            if was_due:
                self._model.attachment.detach()
            return
        self._model.added = frozenset()
        self._is_counted = self._distributions is not None and bool(self._distributions(self._step))
        # Where layers are watched, the last pass is the last recorded step's, even if no layer ran in that step.
        if self._watches or self._pass.has_begun or self._pass.with_counts != self._is_counted:
            fresh = self._new_pass()
            self._pass, self._sequences = fresh, Sequences(fresh)  # both or none
        self._unseen: set[int] = set()
        self._readings = self._new_readings()
        if not was_due and not self._model.is_same():  # after steps in which it was not looked at
            self._failures.attempt("what has changed of the model", self._follow)
            self._model.added = frozenset()  # they are measured throughout this step
        self._is_checked = self._is_seen = False
        if self._watches or self._model.attachment.is_first:  # the first time, to see the layers' places in the network
            self._model.attachment.attach()
        elif self._model.attachment.is_attached:
            self._model.attachment.detach()
        self._is_due = True

    def _new_pass(self) -> Pass:
        self._model.accumulation.start()
        return Pass(
            self._model.accumulation,
            self._summed,
            with_statistics=self._statistics,
            with_counts=self._is_counted,
            before_first=self._before_first,
            read_scale=self._read_scale,
            on_failure=self._failures,
        )

    def _new_readings(self) -> Readings:
        return Readings(
            self._model.parameters,
            scaler=self._scaler,
            with_weights=self._weights,
            with_counts=self._is_counted,
            on_failure=self._failures,
        )

    def _before_backward(self) -> None:
        if not self._model.accumulation.owners.are_hidden:  # which are not themselves during a backward pass
            self._failures.attempt("what has changed of the model", self._check_structure)

    def _check_structure(self) -> None:
        """Follow the model, once a step, where modules or parameters of it have changed."""
        if self._is_due and not self._is_checked:
            self._is_checked = True
            if not self._model.is_same():
                self._follow()

    def _follow(self) -> None:
        """Take the model as it is now, with the step under way."""
        found = self._model.look()
        if found is None:
            return
        # Of layers as they were; the loss of the last step may come after it.
        self._failures.attempt("the tables", partial(self._buffer.flush, keeps_last=bool(self._optimizers)))
        self._model.follow(found, self._step)
        self._buffer.follow(self._model.parameters)
        self._pass.accumulation = self._model.accumulation
        self._readings = self._new_readings()

    def _on_output(self, layer: Layer, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Watch each tensor that a layer returned. A replica's output (DataParallel) is not the layer's."""
        if module is not layer.module:
            return
        began = time.perf_counter()
        if not self._is_seen:
            self._is_seen = True
            if not self._model.has_same_modules():
                self._failures.attempt("what has changed of the model", self._follow)
        if not self._model.attachment.is_attached or module is not layer.module:
            return
        call = self._pass.count(layer)
        if self._model.attachment.is_placing:
            self._model.attachment.place(layer, call, args, output)
        if self._watches:
            self._pass.watch(layer, call, output, args)
            if is_recurrent(module):
                self._sequences.watch(layer, args, output)
        self._clock.seconds += time.perf_counter() - began

    def _on_lost(self, layer: Layer | None, error: Exception) -> None:
        """Note that a call of a layer, or of the model, could not be seen."""
        self._model.attachment.has_failed = True  # to see all layers, and in their order
        if layer is not None and self._watches:
            self._sequences.lose(layer)
            self._pass.lose(layer, error)
        else:
            self._failures("the layers' places in the network", error)

    def _on_unseen(self, layer: Layer) -> None:
        """Note that a layer ran without gradients."""
        self._unseen.add(layer.number)
        self._model.attachment.note_unseen(layer)

    def _before_step(self, optimizer: Optimizer) -> None:
        """Keep weights and parameters as they are before an optimizer's step."""
        if self._is_due and not self._closed:
            began = time.perf_counter()
            if not self._is_checked:
                self._failures.attempt("what has changed of the model", self._check_structure)
            if not self._optimizer_hooks.is_skipping:
                self._failures.attempt("the parameters before an update", self._readings.keep, optimizer)
            self._failures.attempt("the weights", self._readings.read_weights, optimizer)
            self._clock.seconds += time.perf_counter() - began

    def _before_update(self, optimizer: Optimizer) -> None:
        """Read the gradients that an optimizer uses."""
        if self._is_due and not self._closed:
            began = time.perf_counter()
            self._failures.attempt("the gradients", self._use, optimizer)
            self._clock.seconds += time.perf_counter() - began

    def _use(self, optimizer: Optimizer) -> None:
        self._failures.attempt("the gradients", self._readings.read_where_used, optimizer)
        self._failures.attempt("whose gradients arrived at the outputs", self._model.accumulation.use, optimizer)

    def _after_update(self, optimizer: Optimizer) -> None:
        """Read an optimizer's update; when all optimizers have stepped, the step ends."""
        if self._closed:
            return
        if self._writer is not None:
            self._writer.check_open()
        began = time.perf_counter()
        step, was_due = self._step, self._is_due
        attempt = self._failures.attempt
        if self._is_due:
            attempt("the updates", self._readings.read_updates, optimizer)
        self._comes_before |= self._n_calls > 0
        self._n_calls = 0
        if self._scaler is not None:
            is_skipped = 1.0
            if not self._optimizer_hooks.is_skipping:
                is_skipped = attempt("the skipped steps", was_skipped, optimizer, default=0.0)
            self._scalars.setdefault("skipped", []).append(is_skipped)
        if attempt("whose turn it is", self._turns.take, optimizer):
            if self._is_due:
                attempt("the gradients", self._use_absent)
            attempt("whose step it is", self._since.begin, self._model.parameters, self._comes_before)
            self._comes_before = False
            attempt("the end of a step", self._finish)
        self._clock.seconds += time.perf_counter() - began
        if self._clock.budget is not None and self._step > step:
            attempt("the time of a step", self._clock.end_step, step, was_due)
        if self._lookout is not None:
            self._lookout.tell()

    def _after_other(self, optimizer: Optimizer) -> None:
        """Warn of an optimizer that changes the model and was not given to `record`."""
        if not self._closed and any(one in self._model.parameters for one in parameters_of(optimizer)):
            given = ", ".join(type(one).__name__ for one in self._optimizers)
            self._failures.warn(
                f"{type(optimizer).__name__} changes the model, but record() was given {given} alone, so that its "
                "steps are not recorded. Give record() each of several: optimizer=[first, second]. If it took the "
                "other's place, close this recorder and attach a new one with it."
            )

    def _use_absent(self) -> None:
        for optimizer in self._turns.absent():
            self._use(optimizer)

    @endings.whole
    def _finish(self) -> None:
        """End the step: what was read becomes rows."""
        attempt = self._failures.attempt
        try:
            if self._optimizers:
                attempt("the tables", self._flush_if_due)  # not of this step yet: its loss may come after it
                attempt("findings", self._look_if_due)
            if self._is_due:
                attempt("the rows of a step", self._finish_recorded)
            attempt("the scalars", self._buffer.add_scalars, self._scalars)
            if not self._optimizers:
                attempt("the tables", self._flush_if_due)
                attempt("findings", self._look_if_due)
        finally:  # whatever interrupts it, the step is over
            self._step += 1
            attempt("getting ready for a step", self._arm)

    def _pass_over(self) -> None:
        """End a step that is not recorded: as little as can be, since nearly all steps may be so."""
        scalars, self._step = self._scalars, self._step + 1
        try:
            self._failures.attempt("the scalars", self._buffer.add_scalars, scalars)
            if self._is_told or self._buffer.n_waiting >= FLUSH_ROWS:
                self._failures.attempt("the tables", self._flush_if_due)
                self._failures.attempt("findings", self._look_if_due)
        finally:  # whatever interrupts it, the step is over
            self._failures.attempt("getting ready for a step", self._arm)

    def _flush_if_due(self) -> None:
        stream = self._stream
        if self._buffer.n_waiting >= FLUSH_ROWS or (stream is not None and stream.is_late):
            self._clock.apart(self.flush)
        elif self._sinks.is_due and (stream is None or stream.error is None):
            self._clock.apart(self._buffer.flush)  # what is written to a folder waits for a larger piece
            self._clock.apart(self._write_to_sinks)
        elif self._buffer.is_full:
            self._clock.apart(self._buffer.settle)

    def _write_to_sinks(self) -> None:
        self._sinks.write(self._meta, None if self._lookout is None else self._lookout.n_found)

    def _look_if_due(self) -> None:
        """Diagnose what was recorded, where it is time to; what is found is told once the step is over."""
        lookout = self._lookout
        if lookout is None or not lookout.is_due(self._n_recorded):
            return
        self._clock.apart(partial(self._look, lookout))

    def _look(self, lookout: Lookout) -> None:
        if sharded.rank():
            return
        n_rows = self._buffer.n_kept + self._buffer.n_waiting
        n_rows += 0 if self._writer is None else sum(self._writer.rows.values())
        if n_rows <= MAX_ROWS:
            self._failures.attempt("findings", lambda: lookout.look(self.recording))
            return
        self._lookout = lookout if lookout.is_shared else None
        self._failures.warn(
            f"the recording has more than {MAX_ROWS:,} rows, so that on_finding looks no more; gradflow diagnose does."
        )

    def _finish_recorded(self) -> None:
        """End a step that is recorded; nothing that fails here keeps the rest from becoming rows."""
        attempt, readings = self._failures.attempt, self._readings
        if self._pass.has_begun:
            attempt("whose gradients arrived at the outputs", self._pass.finish)
        if self._optimizers:
            attempt("the gradients", readings.read_rest, self._optimizers)
        self._scalars["total_grad_norm"] = math.nan  # until it is taken, with those of other steps
        outputs = self._pass.outputs
        if self._max_calls is not None and len(outputs) > self._max_calls:
            attempt("the gradients", self._pass.take_norms)
            outputs = attempt("the calls of layers", bounded, outputs, self._max_calls, default=outputs)
        is_odd = self._pass.is_full or not readings.arrived or (self._watches and not outputs)
        is_compiled = is_odd and attempt("what is compiled", self._is_compiled, default=False)
        conditions = self._usual
        frozen = attempt("what is frozen", readings.frozen, default=frozenset())
        without = self._pass.without_tensor
        is_usual = not (is_compiled or self._unseen or without or frozen or self._model.added or self._pass.is_full)
        if not is_usual:
            conditions = Conditions(
                is_watched=self._watches,
                is_compiled=is_compiled,
                unseen=frozenset(self._unseen),
                without_tensor=without,
                added=self._model.added,
                is_full=self._pass.is_full,
                frozen=frozen,
            )
        buffer = self._buffer
        attempt("the rows of a step", buffer.add_layers, readings, self._pass, outputs, conditions, self._scalars)
        if self._is_counted:
            attempt("the distributions", buffer.add_distributions, self._step, readings, self._pass)
        if self._sequences.readings:
            attempt("the gradient by time step", self._buffer.add_times, self._step, self._sequences.read())
        if not self._n_recorded and self._watches:
            attempt("the layers that cannot be read", self._warn_of_unmeasurable)
        self._n_recorded += 1
        self._clock.seconds += self._pass.seconds
        if self._pass.handles:
            attempt("taking the hooks off", remove, self._pass.handles)
        attempt("the layers' places in the network", self._end_placing)
        if self._model.attachment.edges:
            attempt("the edges between layers", self._keep_edges)

    def _keep_edges(self) -> None:
        self._buffer.add_edges(self._model.attachment.edges)
        self._model.attachment.edges = []

    def _warn_of_unmeasurable(self) -> None:
        layout = self._buffer.first_layout()
        missing = unmeasurable(self._model.layers, layout) if layout is not None else ""
        if missing:
            self._failures.warn(missing)

    def _end_placing(self) -> None:
        """Keep what the step showed of the layers' graph."""
        if not self._model.attachment.is_placing:
            return
        leaves = self._model.attachment.end_step()
        if leaves and not sharded.is_distributed():  # shards' parameters are gathered into tensors of other names
            shapes = [list(leaf.shape) for leaf in leaves[:MAX_SHAPES]]
            self._meta["unregistered"] = {"count": len(leaves), "shapes": shapes}

    def _is_compiled(self) -> bool:
        """Whether gradients arrived although no layer was seen running: hooks do not fire in compiled code."""
        if self._pass.is_full:
            self._failures.warn(
                f"more than {MAX_OUTPUTS:,} outputs of layers were seen in one step, so that no gradient at an output "
                "is recorded for it. Call step() after each backward(), and run validation under torch.no_grad()."
            )
            return False
        if not self._readings.arrived:
            self._failures.warn("no parameter has a gradient: call step() after backward() and before zero_grad().")
            return False
        if self._pass.outputs or not (
            self._watches and self._model.attachment.is_attached and self._model.attachment.n_hooked
        ):
            return False
        self._failures.warn(
            "no layer of the model was seen running since the last step, so gradients of parameters are recorded and "
            "of outputs not. Layers that run inside torch.compile are seen only with record(..., compiled=True) before "
            "the first call; layers that are not called as modules cannot be seen."
        )
        return has_compiled()

    def _on_idle(self, number: int) -> None:
        self._failures.warn(
            f"optimizer[{number}] ({type(self._optimizers[number]).__name__}) has not stepped in {MAX_WAIT} steps of "
            "another one; from now on a step ends without it."
        )


def _is_recorded(model: nn.Module) -> bool:
    """Whether a recorder that is still in use has its hooks on a model."""
    if any(_owners(model)):
        gc.collect()  # one that was dropped, but is part of a cycle
    return any(_owners(model))


def _owners(model: nn.Module) -> Iterator[object]:
    for module in model.modules():
        for _, hook in module._forward_hooks.items():  # noqa: PERF102  # values() does not show them
            if isinstance(hook, OutputHook) and hook.owner is not None:
                yield hook.owner()
