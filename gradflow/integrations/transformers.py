"""Transformers: a callback that records a `Trainer`, and the trainers of TRL and models of PEFT with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradflow.integrations.attached import Records
from gradflow.integrations.optional import library
from gradflow.integrations.trackers import Logged

_transformers = library("transformers", extra="transformers", least="5.0")
_callbacks = library("transformers.trainer_callback", extra="transformers")
_logger = _transformers.utils.logging.get_logger("transformers.gradflow")


class GradientFlow(Records, _callbacks.TrainerCallback, _callbacks.ExportableState):  # type: ignore[name-defined]  # optional
    """Record every layer's gradient while a `transformers.Trainer` trains, or one that is derived from it (TRL).

    Gradients are read where the optimizer uses them: accumulated, reduced over processes, clipped and unscaled. The
    loss and the norm before clipping are the trainer's own, on the steps that it logs (`logging_steps`). Of a PEFT
    model the adapters are judged; its base is frozen, and `recorder.coverage()` says so. A dozen numbers go to
    `trainer.state.log_history`, findings to the library's log as they come. The trainer's checkpoints hold where the
    recording was, so that `train(resume_from_checkpoint=True)` goes on with it.

    `path` is the recording's folder, which `gradflow.load` and `gradflow diagnose` read; options are those of
    `gradflow.record`: schedule, layers, weights, statistics, sinks, ...
    """

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, optimizer: Any = None, **kwargs: Any
    ) -> None:
        """Attach the recorder; called after a checkpoint was restored."""
        if state.global_step:
            self._attached.load_state_dict(_saved(state))
        self._attached.attach(
            model,
            optimizer,
            scaler=getattr(optimizer, "scaler", None),
            say=_logger.warning,
            # the trainer counts steps that were made
            sinks=[Logged(lambda numbers, step: state.log_history.append({**numbers, "step": step + 1}))],
        )

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **kwargs: Any
    ) -> None:
        """Keep the loss and the norm before clipping, which the trainer has just worked out for the step before."""
        if self._attached.is_attached and logs is not None and "loss" in logs:
            unclipped = {"unclipped_grad_norm": logs["grad_norm"]} if "grad_norm" in logs else {}
            self._attached.after_step(loss=logs["loss"], **unclipped)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Let go of the model."""
        self._attached.close()

    def close(self) -> None:
        """Let go of the model after an error in `train`, of which the trainer tells no callback."""
        self._attached.close()

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds of the recording."""
        recorded = self._attached.state_dict() if self._attached.is_attached else {}
        return {"args": {"path": str(self._attached.path)}, "attributes": {"recorded": recorded}}


def _saved(state: Any) -> Mapping[str, Any]:
    """Return what the checkpoint of a trainer's state holds of the recording."""
    held: Mapping[str, Any] = state.stateful_callbacks.get(GradientFlow.__name__, {})
    recorded: Mapping[str, Any] = held.get("attributes", {}).get("recorded", {})
    return recorded
