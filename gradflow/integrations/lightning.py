"""Lightning: a callback that records a training, for automatic and manual optimisation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from gradflow.hooks.scalers import scale_of_outputs
from gradflow.integrations.attached import Records
from gradflow.integrations.optional import library
from gradflow.integrations.trackers import Logged

_callbacks = library("lightning.pytorch.callbacks", extra="lightning", least="2.4")
_utilities = library("lightning.pytorch.utilities", extra="lightning")


class GradientFlow(Records, _callbacks.Callback):  # type: ignore[name-defined]  # Lightning is optional
    """Record every layer's gradient while a `lightning.Trainer` fits a model.

    Gradients are read where the optimizers use them: accumulated, reduced over processes, clipped and unscaled; the
    norm before clipping is `unclipped_grad_norm` in `recording.steps`. With one optimizer the loss is kept, with
    several loss_0, loss_1, ... in their order. A dozen numbers go to the trainer's loggers. Findings are printed as
    they come, above the progress bar. A checkpoint of the trainer holds where the recording was, so that a resumed
    training goes on with it.

    `path` is the recording's folder, which `gradflow.load` and `gradflow diagnose` read; options are those of
    `gradflow.record`: schedule, layers, weights, statistics, sinks, ...
    """

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        super().__init__(path, **options)
        self._losses: list[Tensor] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Attach the recorder; called after a checkpoint was restored."""
        self._losses = []
        self._attached.attach(
            pl_module,
            trainer.optimizers,
            scaler=_scaler(trainer),
            say=lambda line: _say(trainer, line),
            sinks=[Logged(partial(_log, trainer))],
        )

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Tensor) -> None:
        """Keep a micro-batch's loss, which Lightning has divided by their number and scaled for fp16."""
        n_batches = trainer.accumulate_grad_batches if pl_module.automatic_optimization else 1
        scaler = _scaler(trainer)
        loss = loss if scaler is None else loss / scale_of_outputs(scaler)
        self._losses.append(loss if n_batches == 1 else loss * n_batches)

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Optimizer) -> None:
        """Keep the loss, and the norm before clipping."""
        losses, self._losses = self._losses, []
        if not losses:
            self._attached.before_step()
            return
        loss = sum(losses[1:], losses[0])
        if pl_module.automatic_optimization and len(losses) > 1:
            loss = loss / len(losses)
        several = len(trainer.optimizers) > 1
        number = next((n for n, one in enumerate(trainer.optimizers) if one is optimizer), 0)
        self._attached.before_step(**{f"loss_{number}" if several else "loss": loss})

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Let go of the model."""
        self._attached.close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Let go of the model; what was recorded is on disk."""
        self._losses = []
        self._attached.close()


def _log(trainer: Any, numbers: Mapping[str, float], step: int) -> None:
    for logger in trainer.loggers:
        logger.log_metrics(dict(numbers), step=step)


def _scaler(trainer: Any) -> Any:
    return getattr(trainer.precision_plugin, "scaler", None)


def _say(trainer: Any, line: str) -> None:
    """Print a line without breaking the progress bar."""
    bar = trainer.progress_bar_callback
    if bar is not None and getattr(bar, "is_enabled", False):
        bar.print(line)
    else:
        _utilities.rank_zero_info(line)
