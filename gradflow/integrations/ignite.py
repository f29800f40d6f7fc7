"""Ignite: handlers that record what an `Engine` trains."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from gradflow.integrations.attached import Records
from gradflow.integrations.optional import library
from gradflow.integrations.trackers import Logged

_engine = library("ignite.engine", extra="ignite", least="0.5", distribution="pytorch-ignite")


class GradientFlow(Records):
    """Record every layer's gradient while an `ignite.engine.Engine` trains: `GradientFlow("run").attach(trainer, ...)`.

    Gradients are read where the optimizer uses them: accumulated, reduced over processes, clipped and unscaled. A dozen
    numbers go to `engine.state.metrics`, where the engine's loggers find them, and findings to `engine.logger` as they
    come. The object has the state that `ignite.handlers.Checkpoint` saves: `{"gradflow": flow, ...}`.

    `path` is the recording's folder, which `gradflow.load` and `gradflow diagnose` read; options are those of
    `gradflow.record`: schedule, layers, weights, statistics, sinks, ...
    """

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        super().__init__(path, **options)
        self._losses: list[Tensor | float] = []
        self._n_steps = 0  # that have a loss

    def attach(
        self,
        engine: Any,
        model: nn.Module,
        optimizer: Any,
        *,
        scaler: Any = None,
        loss: Callable[[Any], Any] = lambda output: output,
    ) -> GradientFlow:
        """Record a model and its optimizer, or several, while the engine runs.

        Parameters
        ----------
        engine : Engine
            Whose process function trains the model.
        model : nn.Module
        optimizer : Optimizer or several
        scaler : GradScaler, optional
        loss : callable
            From the engine's output to the loss; by default the output, where it is a number.
        """
        events = _engine.Events
        optimizers = list(optimizer) if isinstance(optimizer, list | tuple) else [optimizer]

        def start(engine: Any) -> None:
            self._losses = []
            sinks = [Logged(lambda numbers, _: engine.state.metrics.update(numbers))]
            self._attached.attach(model, optimizers, scaler=scaler, say=engine.logger.warning, sinks=sinks)
            self._n_steps = self._attached.recorder.n_steps

        def keep(engine: Any) -> None:
            value = loss(engine.state.output)
            is_number = isinstance(value, float | int) or (isinstance(value, Tensor) and value.numel() == 1)
            if self._attached.is_attached and is_number:
                self._losses.append(value.detach() if isinstance(value, Tensor) else value)
                self._amend()

        def end(engine: Any, *error: BaseException) -> None:
            self._attached.close()
            if error and len(engine._event_handlers[events.EXCEPTION_RAISED]) == 1:
                raise error[0]  # as ignite does where nobody handles it

        engine.add_event_handler(events.STARTED, start)
        engine.add_event_handler(events.ITERATION_COMPLETED, keep)
        engine.add_event_handler(events.COMPLETED, end)
        engine.add_event_handler(events.TERMINATE, end)
        engine.add_event_handler(events.EXCEPTION_RAISED, end)
        return self

    def _amend(self) -> None:
        """Keep the mean loss of a step's micro-batches with the step, once it has ended."""
        n_steps = self._attached.recorder.n_steps
        if n_steps > self._n_steps:
            losses, self._losses, self._n_steps = self._losses, [], n_steps
            self._attached.after_step(loss=sum(losses) / len(losses))
