"""What is trained: networks, batches, and how many steps make one timed block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from gradflow.models import cifar_net

from .networks import GPT, resnet50

VOCABULARY = 512


@dataclass(frozen=True)
class Workload:
    """A network, a batch, and how many steps make one timed block: 1, or a multiple of every schedule."""

    make: Callable[[], nn.Module]
    inputs: Tensor
    targets: Tensor
    block: int
    label: str

    def loss(self, model: nn.Module) -> Tensor:
        """Return the mean cross-entropy of the batch."""
        return functional.cross_entropy(model(self.inputs).flatten(0, -2), self.targets.flatten())


def workloads() -> dict[str, Workload]:
    generator = torch.Generator().manual_seed(0)

    def numbers(below: int, *shape: int) -> Tensor:
        return torch.randint(0, below, shape, generator=generator)

    def images(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    return {
        "mlp": Workload(_mlp, images(16, 64), numbers(10, 16), 100, "MLP of 4 layers, width 64, batch 16"),
        "gpt": Workload(
            _gpt, numbers(VOCABULARY, 8, 64), numbers(VOCABULARY, 8, 64), 1, "GPT, 6 layers, width 256, batch 8 of 64"
        ),
        "resnet20": Workload(
            lambda: cifar_net(20), images(128, 3, 32, 32), numbers(10, 128), 1, "ResNet-20, 32 px, batch 128"
        ),
        "resnet50": Workload(resnet50, images(8, 3, 96, 96), numbers(10, 8), 1, "ResNet-50, 96 px, batch 8"),
        "digits20": Workload(
            lambda: cifar_net(20, in_channels=1), images(64, 1, 8, 8), numbers(10, 64), 10, "ResNet-20, 8 px, batch 64"
        ),
    }


def _mlp() -> nn.Module:
    hidden = [layer for _ in range(3) for layer in (nn.Linear(64, 64), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(64, 10))


def _gpt() -> nn.Module:
    return GPT(layers=6, width=256, heads=8, vocabulary=VOCABULARY, context=64)
