"""Attached: a recorder from a trainer's first step to its last; what every trainer's callback is made of."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from gradflow.diagnosis import Finding
from gradflow.errors import GradflowError
from gradflow.hooks import Recorder, record
from gradflow.recording import Recording
from gradflow.storage import StorageError, is_recording, load_one


class Attached:
    """Attaches a recorder when training begins, and lets go of it when it ends, in whatever trainer.

    A second training of the same model goes on with the same recording, in the folder `path`. Options are those of
    `gradflow.record`, other than model, optimizer, scaler and path.
    """

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        given = {"model", "optimizer", "scaler"} & options.keys()
        if given:
            raise GradflowError(f"{min(given)} comes from the trainer; leave it out.")
        self.path = Path(path)
        self._options = options
        self._recorder: Recorder | None = None
        self._state: Mapping[str, Any] | None = None
        self._model: weakref.ref[nn.Module] | None = None  # that was recorded last
        self._say: Callable[[str], object] = print

    @property
    def recorder(self) -> Recorder:
        """The recorder of the training under way."""
        if self._recorder is None:
            raise GradflowError("nothing is recorded at the moment; the recorder is attached when training begins.")
        return self._recorder

    @property
    def is_attached(self) -> bool:
        """Whether a training is being recorded."""
        return self._recorder is not None

    @property
    def recording(self) -> Recording:
        """What was recorded so far."""
        return load_one(self.path) if self._recorder is None else self._recorder.recording

    def attach(
        self,
        model: nn.Module,
        optimizers: Any,
        *,
        scaler: torch.amp.GradScaler | None = None,
        say: Callable[[str], object] = print,
        sinks: Iterable[Any] = (),
    ) -> None:
        """Begin to record a model and its optimizers, or a trainer's wrappers of them.

        `say` receives a line for each finding, once; the option `on_finding` takes its place. `sinks` come besides
        those of the options, such as the trainer's own loggers. Raises StorageError where the folder holds another
        recording, and the checkpoint that training goes on from holds none, GradflowError where another model was
        recorded before.
        """
        self.close()
        if self._model is not None and self._model() is not model:
            raise GradflowError(
                f"this callback has recorded another model in {self.path}; make one for each training, with a folder "
                "of its own."
            )
        if self._state is None and is_recording(self.path) and _is_first_process():
            raise StorageError(
                f"{self.path} already holds the recording of another training. Give a new folder, or resume from a "
                "checkpoint that was saved with this recording."
            )
        shown = {"on_finding": lambda finding: self._say(_said(finding))}
        options = {**shown, **self._options, "sinks": [*self._options.get("sinks", ()), *sinks]}
        recorder = record(model, optimizer=optimizers, scaler=scaler, path=self.path, **options)
        try:
            if self._state is not None:
                recorder.load_state_dict(self._state)
        except BaseException:
            recorder.close()
            raise
        self._recorder, self._say, self._model = recorder, say, weakref.ref(model)

    def before_step(self, **scalars: Any) -> None:
        """Keep scalars, and the norm of all gradients as it is before they are clipped."""
        if self._recorder is not None:
            self._recorder.step(**scalars)

    def after_step(self, **scalars: Any) -> None:
        """Keep scalars with the step that has just ended."""
        if self._recorder is not None:
            self._recorder.step(**scalars)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs for a later training to go on from here, as JSON values."""
        if self._recorder is not None:
            self._state = self._recorder.state_dict()
        return dict(self._state or {})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint when training begins, with whatever model."""
        self._state, self._model = state or None, None

    def close(self) -> None:
        """Let go of the model, and say what else was found; twice is as good as once."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        try:
            self._state = recorder.state_dict()
        finally:
            recorder.close()


class Records:
    """What the callbacks of all trainers have in common: the recording, and what a checkpoint holds of it."""

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        super().__init__()
        self._attached = Attached(path, **options)

    @property
    def recording(self) -> Recording:
        """What was recorded so far."""
        return self._attached.recording

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs for another process to go on with the recording."""
        return self._attached.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the recording from a checkpoint."""
        self._attached.load_state_dict(state)


def _said(finding: Finding) -> str:
    return f"gradflow: {finding}"


def _is_first_process() -> bool:
    distributed = torch.distributed
    return not (distributed.is_available() and distributed.is_initialized() and distributed.get_rank())


class Stepped(Optimizer):
    """Stands for an optimizer that is none of torch's: its step is the other one's, between torch's hooks.

    `groups` returns the other's parameter groups as they are now: dictionaries with `params` and `lr`.
    """

    def __init__(self, groups: Callable[[], list[dict[str, Any]]], step: Callable[[], Any]) -> None:
        super().__init__(groups(), {"lr": 0.0})
        self._groups, self._step = groups, step

    def step(self, closure: Any = None) -> Any:
        """Step as the other does."""
        return self._step()

    def refresh(self) -> None:
        """Take the other's learning rates as they are now."""
        for own, other in zip(self.param_groups, self._groups(), strict=True):
            own["lr"] = other["lr"]
