"""How a network is trained: everything of a run that is neither the network nor the data."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from gradflow.ranges import RANGES, Range, shown
from gradflow.recording import GradflowError

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("cosine", "step", "multistep", "constant")
PRECISIONS = ("float32", "bf16", "fp16")
AUGMENTATIONS = ("crop", "flip", "jitter")
NONE = "none"  # the word for an empty list


class PlanError(GradflowError):
    """An argument of an experiment is out of its range; the message says which values are allowed."""


@dataclass(frozen=True)
class Recipe:
    """Training practice, every number of it.

    Attributes
    ----------
    steps, batch_size : int
        Optimizer updates, and images an update.
    accumulate : int
        Backward passes an update: each takes batch_size / accumulate images. Batch norm sees these smaller batches.
    optimizer : "sgd" or "adamw"
        SGD with momentum (weight decay added to the gradient) or AdamW (Loshchilov & Hutter 2019; decoupled decay,
        beta2 0.999, `momentum` is beta1).
    lr, momentum, weight_decay : float
        `lr` is the peak.
    schedule : "cosine", "step", "multistep" or "constant"
        Cosine falls to 0 over the steps (Loshchilov & Hutter 2017); step falls tenfold at half and at three quarters
        of them, as in He et al. 2015; multistep falls tenfold at each of `milestones`.
    milestones : tuple of int
        Updates after which multistep falls.
    warmup : int
        First updates over which the rate rises linearly.
    warmup_until : float or None
        Start at a tenth of `lr` and go to it once the training error is below this fraction: 0.8 in He et al. 2015,
        section 4.2, for 110 layers. It is the mean error of 20 batches, looked at after every 20 updates.
    augment : tuple of str
        Of "crop" (pad by an eighth, 4 of 32, and crop at random), "flip" (horizontal) and "jitter" (brightness,
        contrast, saturation), as in `gradflow.experiments.augmentation`.
    clip : float or None
        Largest total gradient norm; larger gradients are scaled down to it. Recorded are the gradients after it, and
        the norm before it as `unclipped_grad_norm`.
    precision : "float32", "bf16" or "fp16"
        bf16 and fp16 run the forward pass under autocast, fp16 with a gradient scaler. Weights, and errors on whole
        sets, stay float32.
    """

    steps: int = 300
    batch_size: int = 64
    accumulate: int = 1
    optimizer: str = "sgd"
    lr: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: str = "cosine"
    milestones: tuple[int, ...] = ()
    warmup: int = 0
    warmup_until: float | None = None
    augment: tuple[str, ...] = ()
    clip: float | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        # TOML, JSON and the command line bring lists, words and None
        object.__setattr__(self, "milestones", listed(self.milestones))
        object.__setattr__(self, "augment", listed(self.augment))
        _check(self)


RECIPE_FIELDS = tuple(field.name for field in fields(Recipe))


def _check(recipe: Recipe) -> None:
    """Raise PlanError for the first value that is out of its range."""
    for name in ("steps", "batch_size", "accumulate", "lr", "momentum", "weight_decay", "warmup"):
        check_range(name, getattr(recipe, name))
    for name in ("clip", "warmup_until"):
        if getattr(recipe, name) is not None:
            check_range(name, getattr(recipe, name))
    if recipe.batch_size % recipe.accumulate:
        raise PlanError(
            f"accumulate must divide the batch size {recipe.batch_size}; got {recipe.accumulate}, which leaves a rest."
        )
    one_of("optimizer", recipe.optimizer, OPTIMIZERS)
    one_of("schedule", recipe.schedule, SCHEDULES)
    one_of("precision", recipe.precision, PRECISIONS)
    some_of("augment", recipe.augment, AUGMENTATIONS)
    _check_rates(recipe)


def _check_rates(recipe: Recipe) -> None:
    """Raise PlanError unless warm-up and milestones fit the steps and one another."""
    if recipe.warmup > recipe.steps:
        raise PlanError(f"warmup must lie between 0 and the {recipe.steps} steps; got {recipe.warmup}.")
    if recipe.warmup and recipe.warmup_until is not None:
        raise PlanError(f"warmup and warmup_until exclude one another; got {recipe.warmup} and {recipe.warmup_until}.")
    for milestone in recipe.milestones:
        check_range("milestones", milestone)
    given = _in_words(recipe.milestones) or NONE
    if bool(recipe.milestones) != (recipe.schedule == "multistep"):
        raise PlanError(
            f"milestones go with the multistep schedule; got schedule {recipe.schedule}, milestones {given}."
        )
    rising = [0, *recipe.milestones, recipe.steps]
    if any(later <= earlier for earlier, later in itertools.pairwise(rising)):
        raise PlanError(f"milestones must rise, between 0 and the {recipe.steps} steps; got {given}.")


def listed(value: Any) -> tuple[Any, ...]:
    """Return the values of a setting that is a list: none for None and for the word "none", a lone one by itself.

    Examples
    --------
    >>> listed(["crop", "flip"]), listed("crop"), listed(None), listed(["none"])
    (('crop', 'flip'), ('crop',), (), ())
    """
    values = (value,) if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
    return () if values in ((None,), (NONE,)) else values


def check_range(name: str, value: object, allowed: Range | None = None) -> None:
    """Raise PlanError unless the value is in its setting's range, or in the one given."""
    wrong = (allowed or RANGES[name]).complaint(name, value)
    if wrong:
        raise PlanError(wrong)


def one_of(name: str, value: object, allowed: Sequence[str]) -> None:
    """Raise PlanError unless the value is one of the allowed."""
    if value not in allowed:
        raise PlanError(f"{name} must be one of {', '.join(allowed)}; got {shown(value)}.")


def some_of(name: str, values: Sequence[object], allowed: Sequence[str]) -> None:
    """Raise PlanError unless all values of a list are of the allowed."""
    if any(value not in allowed for value in values):
        raise PlanError(f"{name} must be {NONE}, or some of {', '.join(allowed)}; got {_in_words(values)}.")


def _in_words(values: Sequence[object]) -> str:
    return ", ".join(value if isinstance(value, str) else shown(value) for value in values)


def check_names(what: str, given: Mapping[str, Any], allowed: Sequence[str]) -> None:
    """Raise PlanError for the first name that is not allowed, with the nearest one that is."""
    for name in given:
        if name not in allowed:
            near = difflib.get_close_matches(str(name), allowed, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise PlanError(f"{what} has no setting {name!r}.{hint} Allowed: {', '.join(allowed)}.")
