"""From the options of a command to the model, its batch and its optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradflow.experiments.data import load_data
from gradflow.experiments.recipe import Recipe
from gradflow.experiments.update_step import make_optimizer
from gradflow.targets import Target, load_target, moved

DATA_BATCH = 64  # examples of --data, as an update of compare has by default


class Aim(NamedTuple):
    """What the options of a command say of models and batches: `gradflow.cli.target_options`."""

    settings: dict[str, Any]
    shape: tuple[int, ...] | None
    data: str | None
    evaluates: bool | None
    device: str | None
    seed: int


@contextmanager
def aimed(target: str, aim: Aim, *, examples: int = DATA_BATCH, must_run: bool = True) -> Iterator[Target]:
    """Give the model and batch that a target and options name, and leave the global random state as it was.

    `examples` is how many of a data set's the batch has; `must_run`, whether a guessed input has to run.
    """
    with torch.random.fork_rng(devices=[]):
        batch = None if aim.data is None else _batch(aim.data, aim.seed, examples)
        made_for: dict[str, Any] = {
            "shape": aim.shape,
            "seed": aim.seed,
            "settings": aim.settings,
            "must_run": must_run,
        }
        if batch is not None:
            made_for |= {"shape": batch.inputs.shape, "num_classes": batch.num_classes}
        torch.manual_seed(aim.seed)
        loaded = load_target(target, **made_for)
        if batch is not None:
            loaded = loaded._replace(inputs=batch.inputs, targets=batch.labels, origin=str(aim.data))
        if aim.device is not None:
            loaded = moved(loaded, aim.device)
        if aim.evaluates is not None:
            loaded.model.train(not aim.evaluates)
        yield loaded


def optimizer_of(model: nn.Module, settings: dict[str, Any]) -> Optimizer:
    """Return the optimizer that settings of a recipe make, with a hook that clips where they say so."""
    recipe = Recipe(**{name: value for name, value in settings.items() if value is not None})
    optimizer = make_optimizer(model, recipe)
    if recipe.clip is not None:
        optimizer.register_step_pre_hook(_Clip(recipe.clip))
    return optimizer


class _Clip:
    """A hook that scales the gradients which an optimizer is about to use down to a total norm."""

    def __init__(self, largest: float) -> None:
        self._largest = largest

    def __call__(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        nn.utils.clip_grad_norm_([one for group in optimizer.param_groups for one in group["params"]], self._largest)


class _Batch(NamedTuple):
    """Training examples of a data set, with their labels."""

    inputs: Tensor
    labels: Tensor
    num_classes: int


def _batch(data: str, seed: int, examples: int) -> _Batch:
    """Return examples of a data set, drawn by the seed."""
    known = load_data(data)
    chosen = torch.randperm(len(known.train_labels), generator=torch.Generator().manual_seed(seed))[:examples]
    return _Batch(known.train_images[chosen], known.train_labels[chosen], known.num_classes)
