"""A run under way, in a folder of its own: how it stands, what is recorded so far, checkpoints to go on from.

<out>/unfinished/<run id>/status.json     how it stands, replaced every few seconds
<out>/unfinished/<run id>/recording/      the rows so far, which `gradflow.load` reads
<out>/unfinished/<run id>/checkpoint-*.pt the newest two
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from gradflow import storage
from gradflow.experiments.checkpoint import Checkpoints
from gradflow.experiments.planned_run import Run
from gradflow.experiments.run_failures import is_disk_full, is_out_of_memory
from gradflow.experiments.set_aside import leave_room, set_aside
from gradflow.settings import ExecutionSettings

STATUS, RECORDING = "status.json", "recording"
WHOLE = "whole"  # where the run's recording is written before it is moved to its place
CHECKPOINT_SECONDS = ExecutionSettings.checkpoint_every  # between two checkpoints, unless told otherwise
PULSE_SECONDS = 5.0  # between two looks that another process can have at a run
ORPHAN_SECONDS = 60.0  # a worker whose parent was killed has so long to end; it does after its step under way

Standing = Literal["waiting", "running", "failed"]


class Training(Protocol):
    """What is kept of a network under way."""

    step: int

    def state_dict(self) -> dict[str, Any]:
        """Return all that training on depends on, after the rows so far are on disk."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        ...

    def flush(self) -> None:
        """Bring the rows so far to the disk."""
        ...

    def close(self) -> None:
        """Let go of the model."""
        ...


AnyTraining = TypeVar("AnyTraining", bound=Training)


class StoppedError(Exception):
    """Training was asked to stop and has left a checkpoint."""


class RunDirectory:
    """The folder of one run that is not finished; nothing is made before it is held.

    `check` raises where nothing may be written any more: the sweep's folder is no longer there.
    """

    def __init__(self, path: Path, run: Run, check: Callable[[], object]) -> None:
        self.path = path
        self.run = run
        self.check = check

    @property
    def recording(self) -> Path:
        """Where the rows so far are."""
        return self.path / RECORDING

    @contextlib.contextmanager
    def held(self, *, wait: float = ORPHAN_SECONDS) -> Iterator[None]:
        """Hold the run for this process alone, so that no two train it at once; InUseError if another one goes on."""
        self.check()
        self.path.parent.mkdir(exist_ok=True)
        with storage.held(self.path.with_name(f".{self.path.name}.lock"), what=f"run {self.run.id}", wait=wait):
            self.check()  # waiting for the lock may have taken long
            leave_room(self.path, folder=True)
            self.path.mkdir(exist_ok=True)
            leave_room(self.path / STATUS)
            for name in (RECORDING, WHOLE):
                leave_room(self.path / name, folder=True)
                for file in storage.LOCK_FILES:
                    leave_room(self.path / name / file)
            yield

    def say(self, status: Standing, *, step: int = 0, reason: str = "") -> None:
        """Tell other processes how the run stands; OSError if that cannot be written."""
        self.check()
        axes = {"family": self.run.family, "depth": self.run.depth, "seed": self.run.seed}
        told = {
            "run": self.run.id,
            "label": self.run.label,
            "status": status,
            "reason": reason,
            "step": step,
            "steps": self.run.steps,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "updated": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "settings": {**axes, **self.run.settings},
        }
        storage.write_json(self.path / STATUS, told)

    def remove(self) -> None:
        """Remove the folder; only for whoever holds the run, or the whole sweep."""
        self.check()
        shutil.rmtree(self.path, ignore_errors=True)


class CheckpointManager:
    """Keeps a training in its folder, held by this process, while it goes on, and brings it back.

    Between two checkpoints are `every` seconds. Once `stop` is set, the training leaves a checkpoint and stops.
    `on_resume` gets the number of updates from which the training goes on.
    """

    def __init__(
        self,
        directory: RunDirectory,
        *,
        every: float = CHECKPOINT_SECONDS,
        stop: threading.Event | None = None,
        on_resume: Callable[[int], object] | None = None,
    ) -> None:
        self._directory = directory
        self._every = every
        self._stop = threading.Event() if stop is None else stop
        self._on_resume = on_resume
        self._checkpoints: Checkpoints | None = None
        self._origin: tuple[Path, int] | None = None
        self._step = 0
        self._kept = self._pulsed = time.monotonic()

    def start(self, make: Callable[[Callable[[], Path]], AnyTraining], identity: Mapping[str, Any]) -> AnyTraining:
        """Return the training as the newest sound checkpoint of this identity has it, or a new one.

        `make` makes a new training that records into the folder which the function that it is given returns.
        """
        self._checkpoints = Checkpoints(self._directory.path, identity)
        training = self._resumed(make)
        if training is None:
            shutil.rmtree(self._directory.recording, ignore_errors=True)
            training = make(self._recording)
        elif self._on_resume is not None:
            self._on_resume(training.step)
        with self._closing(training):
            self._directory.say("running", step=training.step)
        self._step = training.step
        self._kept = self._pulsed = time.monotonic()
        return training

    def _recording(self) -> Path:
        """Return where the rows go, in a sweep's folder that is still there."""
        self._directory.check()
        return self._directory.recording

    def _resumed(self, make: Callable[[Callable[[], Path]], AnyTraining]) -> AnyTraining | None:
        """Return the training that a checkpoint brings back; one that does not fit is set aside."""
        assert self._checkpoints is not None
        for path, state in self._checkpoints.states():
            training = None
            try:
                training = make(self._recording)
                training.load_state_dict(state)
            except Exception as error:  # a state can hold anything
                if training is not None:
                    training.close()
                is_of_disk = isinstance(error, storage.StorageError) and not isinstance(error, storage.InUseError)
                if (training is None and not is_of_disk) or is_out_of_memory(error) or is_disk_full(error):
                    raise  # it is not the checkpoint's fault
                set_aside(path)
            else:
                self._origin = path, training.step
                return training
        return None

    def distrust(self) -> None:
        """Set the checkpoint aside from which the training went on, if it failed before it made one step."""
        if self._origin is not None and self._origin[1] == self._step:
            set_aside(self._origin[0])

    def look(self, training: Training) -> None:
        """Keep what is due, between two steps.

        Raises StoppedError where the training was asked to stop, FolderLostError where the sweep's folder was removed
        or replaced, OSError where nothing more can be written.
        """
        self._check(training)
        self._step = training.step
        try:
            self._keep_due(training)
        except OSError:
            self._check(training)  # what could not be written may be for that
            raise

    def _keep_due(self, training: Training) -> None:
        now = time.monotonic()
        if self._stop.is_set():
            self._keep(training)
            raise StoppedError
        if now - self._kept >= self._every:
            self._keep(training)
        elif now - self._pulsed >= PULSE_SECONDS:
            training.flush()
        else:
            return
        self._directory.say("running", step=training.step)
        self._pulsed = time.monotonic()

    def _check(self, training: Training) -> None:
        """Raise what `RunDirectory.check` does."""
        with self._closing(training):
            self._directory.check()

    @contextlib.contextmanager
    def _closing(self, training: Training) -> Iterator[None]:
        """Let the rows go, for which there is no place, where the block raises."""
        try:
            yield
        except Exception:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                training.close()
            raise

    def _keep(self, training: Training) -> None:
        assert self._checkpoints is not None
        self._checkpoints.write(training.step, training.state_dict())
        self._kept = time.monotonic()
