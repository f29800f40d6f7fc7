"""fastai: a callback that records a `Learner`, whose optimizer need not be one of torch's."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from torch import Tensor

from gradflow.integrations.attached import Records, Stepped
from gradflow.integrations.optional import library

_core = library("fastai.callback.core", extra="fastai", least="2.7")
_optimizers = library("fastai.optimizer", extra="fastai")


class GradientFlow(Records, _core.Callback):  # type: ignore[name-defined]  # fastai is optional
    """Record every layer's gradient while a `Learner` fits.

    Gradients are read where the optimizer uses them: accumulated, clipped and unscaled; the norm before `GradientClip`
    is `unclipped_grad_norm` in `recording.steps`, without mixed precision. Findings are printed as they come. A second
    `fit` goes on with the recording; `state_dict` and `load_state_dict` go on with it in another process.

    `path` is the recording's folder, which `gradflow.load` and `gradflow diagnose` read; options are those of
    `gradflow.record`: schedule, layers, weights, statistics, sinks, ...
    """

    # After fastai has unscaled gradients and left accumulated ones for later (10 and 6), before it clips them (11).
    order, run_valid = 10.5, False

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        super().__init__(path, **options)
        self._losses: list[Tensor] = []
        self._stepped: Stepped | None = None
        self._is_scaled = False

    def before_fit(self) -> None:
        """Attach the recorder, unless the learner only looks for a learning rate or predicts."""
        if hasattr(self.learn, "lr_finder") or hasattr(self.learn, "gather_preds"):
            return
        optimizer: Any = self.learn.opt
        if not isinstance(optimizer, _optimizers.OptimWrapper):
            own = optimizer
            self._stepped = optimizer = Stepped(lambda: _groups(own), own.step)
            own.step = self._stepped.step
        self.learn._do_epoch = self._guarded(self.learn._do_epoch)
        scaler = getattr(self.learn, "scaler", None)
        self._is_scaled = scaler is not None
        self._attached.attach(self.learn.model, optimizer, scaler=scaler)

    def after_loss(self) -> None:
        """Keep a micro-batch's loss."""
        if self._attached.is_attached and self.training:
            self._losses.append(self.learn.loss.detach())

    def before_step(self) -> None:
        """Keep the loss, and the norm before clipping."""
        if self._stepped is not None:
            self._stepped.refresh()
        if self._attached.is_attached and not self._is_scaled:
            self._attached.before_step(**self._mean_loss())

    def after_step(self) -> None:
        """Keep the loss; fastai's scaler says of itself alone that gradients are unscaled before they are clipped."""
        if self._attached.is_attached and self._is_scaled:
            self._attached.after_step(**self._mean_loss())

    def after_cancel_step(self) -> None:
        """Forget the loss of a step that the scaler skips."""
        self._losses = []

    def _mean_loss(self) -> dict[str, Any]:
        losses, self._losses = self._losses, []
        return {"loss": sum(losses) / len(losses)} if losses else {}

    def _guarded(self, do_epoch: Callable[[], None]) -> Callable[[], None]:
        """Return an epoch after which, if it fails, the recording ends: fastai calls no callback then."""

        def guarded() -> None:
            try:
                do_epoch()
            except BaseException as error:
                if not type(error).__name__.startswith("Cancel"):  # which fastai catches
                    self.after_fit()
                raise

        return guarded

    def after_fit(self) -> None:
        """Let go of the model and the optimizer."""
        self.learn.__dict__.pop("_do_epoch", None)
        if self._stepped is not None:
            self.learn.opt.__dict__.pop("step", None)
            self._stepped = None
        self._losses = []
        self._attached.close()


def _groups(optimizer: Any) -> list[dict[str, Any]]:
    """Return the parameter groups of fastai's optimizer as torch writes them."""
    pairs = zip(optimizer.param_lists, optimizer.hypers, strict=True)
    return [{"params": list(parameters), "lr": float(hyper["lr"])} for parameters, hyper in pairs]
