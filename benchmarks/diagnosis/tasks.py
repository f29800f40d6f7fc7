"""What the zoo trains on: real digits as images and as sequences of rows, made-up tables, sequences and tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from gradflow.experiments.data import load_data

N_ROWS, N_FEATURES, N_CLASSES = 1024, 12, 4
N_TIMES, N_CHANNELS = 12, 6
N_TOKENS, LENGTH = 16, 12
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Task:
    """Examples with their targets; `kind` is "classes", "binary", "values" or "tokens"."""

    inputs: Tensor
    targets: Tensor
    kind: str

    @property
    def n_outputs(self) -> int:
        """How many numbers a network answers with, for each example or token."""
        if self.kind in ("classes", "tokens"):
            return int(self.targets.max()) + 1
        return int(self.targets.shape[1])

    @property
    def loss(self) -> Loss:
        """The loss that fits: it takes logits, or values."""
        losses: dict[str, Loss] = {
            "classes": functional.cross_entropy,
            "tokens": lambda output, target: functional.cross_entropy(output.flatten(0, 1), target.flatten()),
            "binary": functional.binary_cross_entropy_with_logits,
            "values": functional.mse_loss,
        }
        return losses[self.kind]

    def score(self, output: Tensor, targets: Tensor) -> float:
        """Return the share of wrong answers, or the squared error as a share of the targets' variance, at most 2."""
        if not output.isfinite().all():
            return self.chance(targets)
        if self.kind == "values":
            error = float((output - targets).square().mean() / targets.var())
            return min(error, 2.0)
        answers = (output > 0).float() if self.kind == "binary" else output.argmax(-1)
        return float((answers != targets).double().mean())

    def chance(self, targets: Tensor) -> float:
        """Return the score of the best constant answer."""
        if self.kind == "values":
            return 1.0
        return 1.0 - float(targets.long().flatten().bincount().max()) / targets.numel()


@cache
def load_task(name: str) -> Task:
    """Return a task by name."""
    return _TASKS[name]()


def _digits() -> Task:
    data = load_data("digits")
    return Task(data.train_images, data.train_labels, "classes")


def _rows() -> Task:
    data = load_data("digits")
    return Task(data.train_images[:, 0], data.train_labels, "classes")


def _pictures() -> Task:
    images = load_data("digits").train_images
    return Task(images, images.flatten(1), "values")


def _table(kind: str) -> Task:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(N_ROWS, N_FEATURES, generator=generator)
    mixed = inputs @ torch.randn(N_FEATURES, N_CLASSES, generator=generator) / 2
    values = mixed + 0.7 * (inputs[:, :4] * inputs[:, 4:8]) + torch.sin(2 * inputs[:, 8:12])
    if kind == "classes":
        return Task(inputs, values.argmax(1), kind)
    value = (values[:, :1] - values[:, :1].mean()) / values[:, :1].std()
    return Task(inputs, (value > 0).float() if kind == "binary" else value, kind)


def _sequences() -> Task:
    """Class: which of four shapes in time a channel carries, in noise."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(N_CLASSES, (N_ROWS,), generator=generator)
    times = torch.linspace(0, 1, N_TIMES)
    shapes = torch.stack([times, 1 - times, (6.28 * times).sin(), (6.28 * times).cos()])
    inputs = 0.5 * torch.randn(N_ROWS, N_TIMES, N_CHANNELS, generator=generator)
    inputs[:, :, 0] += shapes[labels]
    inputs[:, :, 1] -= shapes[labels]
    return Task(inputs, labels, "classes")


def _tokens() -> Task:
    """Next token of sequences that step by one of three strides, seen in the first two tokens."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randint(N_TOKENS, (N_ROWS, 1), generator=generator)
    stride = torch.randint(1, 4, (N_ROWS, 1), generator=generator)
    tokens = (start + stride * torch.arange(LENGTH + 1)) % N_TOKENS
    return Task(tokens[:, :-1], tokens[:, 1:].contiguous(), "tokens")


_TASKS: dict[str, Callable[[], Task]] = {
    "digits": _digits,
    "rows": _rows,
    "pictures": _pictures,
    "table": lambda: _table("values"),
    "binary table": lambda: _table("binary"),
    "table of classes": lambda: _table("classes"),
    "sequences": _sequences,
    "tokens": _tokens,
}
