"""Train one network and record it, with the same public calls that any user has."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import torch
from torch import Tensor, nn

from gradflow.experiments.augmentation import PixelRange, augment
from gradflow.experiments.data import Dataset, batches, load_data
from gradflow.experiments.optimizers import Updater
from gradflow.experiments.probes import measure_probes
from gradflow.experiments.runs import Run
from gradflow.experiments.schedules import LearningRate
from gradflow.hooks import Every, record
from gradflow.recording import Recording

PROFILE_STEPS = (0, 1, 10, 100)  # the steps whose profiles a report shows, besides the end
PROGRESS_EVERY = 10
EVAL_BATCH = 512
AUGMENTATION_SEED = 2**31  # added to the run's seed: the order of images and their changes are drawn apart

Progress = Callable[[int], object]


def train(run: Run, *, on_step: Progress | None = None, recorded: bool = True) -> Recording:
    """Train a network as the run says and return what was recorded.

    The row of step s describes the network after s updates: the gradient of the batch that update s + 1 uses, and,
    where they were measured, the errors on the whole training and test sets in eval mode. The last row, s = `steps`, is
    the trained network. Errors on whole sets are measured in float32, whatever the precision of the training.

    Parameters
    ----------
    run : Run
        From `plan`.
    on_step : callable, optional
        Called with the number of updates made, every few steps.
    recorded : bool
        False trains the same network with no gradient recorded: only losses and errors.

    Returns
    -------
    Recording
        `meta["status"]` is "diverged" if any loss was not finite, with the first such step in `diverged_step`.
    """
    began, started = time.perf_counter(), datetime.now(UTC)
    device = torch.device(run.device)
    data = load_data(run.data).to(device)
    model = build(run, data).to(device)
    meta = {**describe(run, data), "started": started.isoformat(timespec="seconds")}
    schedule = Every(run.record_every, also=(*PROFILE_STEPS, run.steps)) if recorded else _never
    updater = Updater(model, run.recipe)
    with record(model, scaler=updater.scaler, schedule=schedule, weights=True, name=run.id, meta=meta) as recorder:
        _fit(run, model, updater, data, recorder.step, on_step)
    recording = recorder.recording
    return Recording(
        layers=recording.layers,
        steps=recording.steps,
        probes=measure_probes(run, model, data),
        meta={**recording.meta, **_outcome(recording), "wall_seconds": time.perf_counter() - began},
    )


def build(run: Run, data: Dataset) -> nn.Module:
    """Return the run's network, initialised from its seed without touching the global random state."""
    shape = tuple(data.train_images.shape[1:])
    return run.network.build(run.seed, input_shape=shape, num_classes=data.num_classes)


def _fit(
    run: Run,
    model: nn.Module,
    updater: Updater,
    data: Dataset,
    step_done: Callable[..., None],
    on_step: Progress | None,
) -> None:
    """Make the run's updates, and measure once more after the last."""
    recipe = run.recipe
    rate = LearningRate(recipe)
    order = batches(len(data.train_labels), recipe.batch_size, torch.Generator().manual_seed(run.seed))
    draws = torch.Generator().manual_seed(run.seed + AUGMENTATION_SEED)
    pixels = PixelRange.of(data.train_images, data.mean, data.std) if "jitter" in recipe.augment else None
    model.train()
    for step in range(run.steps + 1):
        errors = measure_errors(model, data) if _is_eval_due(run, step) else {}
        lr = rate.at(step)
        index = next(order).to(data.train_images.device)
        images = augment(data.train_images[index], recipe.augment, draws, pixels)
        loss, batch_error = updater.forward_backward(images, data.train_labels[index])
        norm = updater.unclipped_grad_norm
        step_done(loss=loss, batch_error=batch_error, lr=lr, unclipped_grad_norm=norm, **errors)
        rate.observe(batch_error)
        if step < run.steps:
            updater.update(lr)
        if on_step is not None and step % PROGRESS_EVERY == 0:
            on_step(step)


def _is_eval_due(run: Run, step: int) -> bool:
    return step > 0 and (step % run.eval_every == 0 or step == run.steps)


def measure_errors(model: nn.Module, data: Dataset) -> dict[str, float]:
    """Return the shares of the whole training and test sets that are classified wrongly, in eval mode.

    The network is in training mode afterwards.
    """
    model.eval()
    errors = {
        "train_error": _error(model, data.train_images, data.train_labels),
        "test_error": _error(model, data.test_images, data.test_labels),
    }
    model.train()
    return errors


@torch.inference_mode()
def _error(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    parts = zip(images.split(EVAL_BATCH), labels.split(EVAL_BATCH), strict=True)
    wrong = torch.stack([(model(image).argmax(dim=1) != label).sum() for image, label in parts])
    return wrong.sum().item() / len(labels)


def describe(run: Run, data: Dataset) -> dict[str, Any]:
    """Return what the recording's meta says of the run; `settings` is what shapes it besides family, depth and seed."""
    settings = json.loads(json.dumps(run.settings))  # tuples become lists, as they are read back
    return {
        "experiment": "compare",
        "family": run.family,
        "depth": run.depth,
        "seed": run.seed,
        **settings,
        "settings": settings,
        "record_every": run.record_every,
        "eval_every": run.eval_every,
        "n_train": len(data.train_labels),
        "n_test": len(data.test_labels),
        "image_size": list(data.train_images.shape[1:]),
    }


def _outcome(recording: Recording) -> dict[str, Any]:
    """Return whether the run diverged: the first step with a loss that is not finite."""
    steps = recording.steps
    broken = steps.step[~steps.loss.map(math.isfinite)]
    if len(broken):
        return {"status": "diverged", "diverged_step": int(broken.iloc[0])}
    return {"status": "done", "diverged_step": None}


def _never(step: int) -> bool:
    return False
