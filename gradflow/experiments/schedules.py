"""The learning rate of each update of a recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from gradflow.experiments.recipe import Recipe

STEP_DROPS = (0.5, 0.75)  # shares of the steps after which "step" falls: 32,000 and 48,000 of 64,000 in He et al. 2015
DROP = 0.1  # what "step" and "multistep" multiply by
WARMUP_FACTOR = 0.1  # of lr while warmup_until has not been reached: 0.01 of 0.1 in He et al. 2015, section 4.2
LOOK_EVERY = 20  # updates between two looks at the training error: 20 batches of 128 err by 0.008 (one standard error)


class LearningRate:
    """The learning rate of each update, from the update's number and, with `warmup_until`, from the training errors.

    Cosine falls from `lr` to 0 over the steps; step falls tenfold at half and at three quarters of them; multistep at
    each of the milestones. Over the first `warmup` updates the rate is scaled up linearly.

    With `warmup_until` the rate is a tenth until the training error falls below that fraction. The training error is
    the mean of the last 20 batches' errors. It is looked at after every 20 updates: a look waits for the device. Once
    below, the rate stays up.

    Examples
    --------
    >>> rate = LearningRate(Recipe(steps=64_000, lr=0.1, schedule="step"))
    >>> [round(rate.at(step), 6) for step in (0, 31_999, 32_000, 48_000)]
    [0.1, 0.1, 0.01, 0.001]
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._is_low = recipe.warmup_until is not None
        self._errors: list[Tensor] = []

    def at(self, step: int) -> float:
        """Return the learning rate of the update that follows `step` updates."""
        return _falling(self._recipe, self._warm(step) * self._recipe.lr, step)

    def observe(self, batch_error: Tensor) -> None:
        """Take in the error of the next batch, a fraction as a 0-d tensor: each batch's, in the order of training."""
        until = self._recipe.warmup_until
        if until is None or not self._is_low:
            return
        self._errors.append(batch_error.detach())
        if len(self._errors) == LOOK_EVERY:
            self._is_low = not fmean(self._moved()) < until
            self._errors.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return what `observe` has learnt, as JSON values."""
        return {"is_low": self._is_low, "errors": self._moved()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        self._is_low = state["is_low"]
        self._errors = [torch.tensor(error, dtype=torch.float64) for error in state["errors"]]

    def _moved(self) -> list[float]:
        """Return the errors since the last look, in one transfer."""
        return torch.stack([error.double() for error in self._errors]).tolist() if self._errors else []

    def _warm(self, step: int) -> float:
        """Return the share of the rate that warm-up allows."""
        if self._is_low:
            return WARMUP_FACTOR
        return min(1.0, (step + 1) / self._recipe.warmup) if self._recipe.warmup else 1.0


def _falling(recipe: Recipe, lr: float, step: int) -> float:
    """Return what a schedule makes of a peak rate after `step` updates."""
    if recipe.schedule == "cosine":
        return lr * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
    falls: Sequence[float] = recipe.milestones
    if recipe.schedule == "step":
        falls = [share * recipe.steps for share in STEP_DROPS]
    return lr * DROP ** sum(step >= fall for fall in falls)
