"""One update of a network as a recipe asks: precision, accumulation, loss scaling, clipping, optimizer."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from gradflow.experiments.distributed import Team
from gradflow.experiments.recipe import Recipe

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
ADAMW_BETA2 = 0.999
CLIP_EPSILON = 1e-6  # as in torch.nn.utils.clip_grad_norm_


def make_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """Return a recipe's optimizer of all of a model's parameters."""
    if recipe.optimizer == "adamw":
        betas = (recipe.momentum, ADAMW_BETA2)
        return torch.optim.AdamW(model.parameters(), lr=recipe.lr, betas=betas, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(model.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


class Updater:
    """Brings the gradients of a batch into `.grad`, and makes the update.

    Between the two calls `.grad` holds what the optimizer will use: accumulated over the parts of the batch, divided by
    the loss scale, clipped. This is the moment for `Recorder.step`; give `record` this updater's `scaler`, by which it
    divides the gradients at outputs (None but under fp16). `unclipped_grad_norm` is the total gradient norm of the last
    batch before clipping; None where the recipe does not clip.
    """

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        self._model = model
        self._network: nn.Module = model
        self._parameters = list(model.parameters())
        self._recipe = recipe
        self._device = next(model.parameters()).device.type
        self.scaler = torch.amp.GradScaler(self._device) if recipe.precision == "fp16" else None
        self.unclipped_grad_norm: Tensor | None = None

    @functools.cached_property
    def _optimizer(self) -> Optimizer:  # made where it is used: torch's first one brings its compiler, which takes 1 s
        return make_optimizer(self._model, self._recipe)

    def spread(self, team: Team) -> None:
        """From now on average gradients over a team, whose processes must all call this."""
        self._network = team.spread(self._model)

    def forward_backward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the gradients of a batch, in the model's present mode.

        Returns mean cross-entropy and share of images classified wrongly, 0-d tensors on the device.
        """
        for parameter in self._parameters:  # as zero_grad() does, which looks for them in all modules
            parameter.grad = None
        parts = self._recipe.accumulate
        done = [
            self._one_part(some, wanted) for some, wanted in zip(images.chunk(parts), labels.chunk(parts), strict=True)
        ]
        if self.scaler is not None:
            self.scaler.unscale_(self._optimizer)
        if self._recipe.clip is not None:
            self.unclipped_grad_norm = clip_gradients(self._model, self._recipe.clip)
        if parts == 1:
            return done[0]
        losses, errors = zip(*done, strict=True)
        return torch.stack(losses).sum(), torch.stack(errors).mean()

    def update(self, lr: float) -> None:
        """Change the parameters by the gradients in `.grad`; under fp16 not if one of them is not finite."""
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        if self.scaler is None:
            self._optimizer.step()
        else:
            self.scaler.step(self._optimizer)
            self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state and the scaler's."""
        scaler = {} if self.scaler is None else self.scaler.state_dict()
        return {"optimizer": self._optimizer.state_dict(), "scaler": scaler}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        self._optimizer.load_state_dict(state["optimizer"])
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])

    def _one_part(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Add the gradients of a part of the batch; return its share of the mean loss, and its error."""
        with self._autocast():
            logits = checked_logits(self._network(images))
            loss = functional.cross_entropy(logits, labels)
        if self._recipe.accumulate > 1:
            loss = loss / self._recipe.accumulate
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()
        wrong = (logits.detach().argmax(dim=1) != labels).float().mean()
        return loss.detach(), wrong

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        dtype = AUTOCAST.get(self._recipe.precision)
        return contextlib.nullcontext() if dtype is None else torch.autocast(self._device, dtype=dtype)


def checked_logits(output: object) -> Tensor:
    """Return a network's output, or raise ValueError if it is no tensor (batch, classes)."""
    if isinstance(output, Tensor) and output.ndim == 2:
        return output
    got = f"a tensor of shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
    raise ValueError(f"the network must return logits (batch, classes); it returned {got}.")


def clip_gradients(model: nn.Module, largest: float) -> Tensor:
    """Scale a model's gradients down to a total norm, and return the norm that they had, a 0-d tensor.

    The arithmetic of `torch.nn.utils.clip_grad_norm_`, but a norm that is not finite changes nothing: dividing by it
    would turn one inf among the gradients into NaN and all others into zeros, and the record would not show which.
    """
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    norms = [torch.linalg.vector_norm(gradient) for gradient in gradients]
    total: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    factor = (largest / (total + CLIP_EPSILON)).clamp(max=1.0)
    factor = torch.where(total.isfinite(), factor, torch.ones_like(factor))
    for gradient in gradients:
        gradient.mul_(factor)
    return total
