"""The tasks that networks of the study train on: real sets that come inside packages, and one made-up one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor
from torch.nn import functional

from gradflow.experiments.data import load_data

SPIRAL_POINTS = 400  # per arm
SPIRAL_NOISE = 0.15  # radians


@dataclass(frozen=True)
class Task:
    """Training examples, (n, features) or (n, 1, height, width), and labels (n,)."""

    name: str
    inputs: Tensor
    labels: Tensor

    @property
    def n_classes(self) -> int:
        """Classes, numbered from 0."""
        return int(self.labels.max()) + 1

    @property
    def chance(self) -> float:
        """Error of always naming the most frequent class."""
        return 1.0 - self.labels.bincount().max().item() / len(self.labels)


@cache
def load_task(name: str) -> Task:
    """Load a task; examples are in a fixed random order."""
    if name in ("digits", "mnist5k"):
        images = load_data(name)
        inputs, labels = images.train_images, images.train_labels
        if name == "mnist5k":
            inputs = functional.avg_pool2d(inputs, 2)  # 14 x 14: a run is to take seconds
    elif name == "spirals":
        inputs, labels = spirals()
    else:
        bunch = getattr(datasets, f"load_{name}")()
        raw = torch.from_numpy(bunch.data.astype(np.float32))
        inputs, labels = (raw - raw.mean(0)) / raw.std(0), torch.from_numpy(bunch.target.astype(np.int64))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return Task(name, inputs[order], labels[order])


def spirals() -> tuple[Tensor, Tensor]:
    """Three arms in the plane, one class each."""
    generator = torch.Generator().manual_seed(0)
    arm = torch.arange(3).repeat_interleave(SPIRAL_POINTS)
    radius = torch.rand(len(arm), generator=generator)
    angle = 4.0 * radius + arm * 2 * torch.pi / 3 + SPIRAL_NOISE * torch.randn(len(arm), generator=generator)
    points = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    return (points - points.mean(0)) / points.std(0), arm
