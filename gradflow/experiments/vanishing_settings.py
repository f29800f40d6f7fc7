"""The vanishing gradient and its opposite, measured on real images at initialisation, setting by setting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import torch
from torch import nn

from gradflow.experiments.data import Dataset, batches, check_data, load_data
from gradflow.experiments.recipe import PlanError, check, seed_numbers, unique
from gradflow.hooks import record
from gradflow.models import mlp
from gradflow.models.costs import check_memory
from gradflow.recording import Recording
from gradflow.settings import VanishingSettings
from gradflow.theory import Activation, Init, Norm

OnEvent = Callable[[Recording], object]


@dataclass(frozen=True)
class Setting:
    """One network: what distinguishes it from the others, and what it is called."""

    name: str
    label: str
    activation: Activation
    init: Init
    norm: Norm | None = None
    skip: bool = False


SETTINGS = (
    Setting("sigmoid-default", "sigmoid, PyTorch's default", "sigmoid", "default"),
    Setting("sigmoid-xavier", "sigmoid, Xavier", "sigmoid", "xavier"),
    Setting("tanh-default", "tanh, PyTorch's default", "tanh", "default"),
    Setting("relu-default", "ReLU, PyTorch's default", "relu", "default"),
    Setting("relu-kaiming-0.8", "ReLU, 0.8 of Kaiming", "relu", "kaiming-0.8"),
    Setting("relu-kaiming", "ReLU, Kaiming", "relu", "kaiming"),
    Setting("relu-batch-norm", "ReLU, batch norm", "relu", "kaiming", norm="batch"),
    Setting("residual-batch-norm", "ReLU, batch norm, skips", "relu", "kaiming", norm="batch", skip=True),
)


def vanishing(
    *,
    depth: int = VanishingSettings.depth,
    width: int = VanishingSettings.width,
    seeds: int | Iterable[int] = VanishingSettings.seeds,
    settings: Iterable[str] | None = None,
    data: str = VanishingSettings.data,
    batch_size: int = VanishingSettings.batch_size,
    on_event: OnEvent | None = None,
) -> list[Recording]:
    """Record one backward pass of each setting and seed, before any training.

    Parameters
    ----------
    depth : int
        Weighted layers of the fully connected networks, at least 7.
    width : int
        Units of each hidden layer.
    seeds : int or iterable of int
        How many seeds (0, 1, ...), or which. A seed draws the weights and the batch.
    settings : iterable of str, optional
        Names from `SETTINGS`; all of them by default.
    data : str
        As in `gradflow.experiments.data.load_data`; the images are flattened.
    batch_size : int
        Training images in the batch.
    on_event : callable, optional
        Called with each recording as it is made.

    Returns
    -------
    list of Recording
        One per setting and seed, each with step 0. `meta` holds setting, label, activation, init, norm, skip,
        depth, width, seed, data, batch_size. `gradflow.analysis.vanishing_table` makes tables of them.

    Raises
    ------
    PlanError, DataError
        An argument is out of its range.

    Examples
    --------
    >>> recordings = vanishing(depth=7, width=16, seeds=1, settings=["relu-kaiming"])
    >>> recordings[0].name
    'relu-kaiming-seed0'
    """
    chosen, numbers = _settings(settings), seed_numbers(seeds)
    check(VanishingSettings, depth=depth, width=width, batch_size=batch_size)
    try:
        check_memory("the network", depth, width, lambda: mlp(depth, width=width, in_features=width, num_classes=1))
    except ValueError as error:
        raise PlanError(str(error)) from None
    check_data(data)
    images = load_data(data)
    recordings: list[Recording] = []
    for setting in chosen:
        for seed in numbers:
            recordings.append(_measure(setting, images, depth=depth, width=width, seed=seed, batch_size=batch_size))
            if on_event is not None:
                on_event(recordings[-1])
    return recordings


def _measure(setting: Setting, data: Dataset, *, depth: int, width: int, seed: int, batch_size: int) -> Recording:
    """Return one network's recording of one backward pass."""
    kind: dict[str, Any] = {name: getattr(setting, name) for name in ("activation", "init", "norm", "skip")}
    model = mlp(
        depth,
        width=width,
        in_features=data.train_images[0].numel(),
        num_classes=data.num_classes,
        generator=torch.Generator().manual_seed(seed),
        **kind,
    )
    # A generator of its own: one seed gives every setting the same batch.
    index = next(batches(len(data.train_labels), batch_size, torch.Generator().manual_seed(seed)))
    meta = {
        "experiment": "vanishing",
        "setting": setting.name,
        "place": SETTINGS.index(setting),
        "label": setting.label,
        **kind,
        "depth": depth,
        "width": width,
        "seed": seed,
        "data": data.name,
        "n_train": len(data.train_labels),
        "batch_size": batch_size,
        "steps": 0,
        "status": "done",
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with record(model, weights=True, name=f"{setting.name}-seed{seed}", meta=meta) as recorder:
        loss = nn.functional.cross_entropy(model(data.train_images[index]), data.train_labels[index])
        loss.backward()
        recorder.step(loss=loss)
    return recorder.recording


def _settings(names: Iterable[str] | None) -> list[Setting]:
    """Return the settings of these names, in the order given."""
    known = {setting.name: setting for setting in SETTINGS}
    chosen = unique("settings", known if names is None else names)
    for name in chosen:
        if name not in known:
            raise PlanError(f"settings must be of {', '.join(known)}; got {name!r}.")
    return [known[name] for name in chosen]
