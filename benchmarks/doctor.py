"""What the doctor costs over a bare forward and backward pass, in processor time: `python -m benchmarks.doctor`.

Bare passes and examinations alternate; a row has the smallest of each.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from gradflow.models import cifar_net, mlp, resnet
from gradflow.probe.doctor import doctor

REPEATS = 5
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "MLP of 20 layers, batch 64": (lambda: mlp(20, init="kaiming"), (64, 64)),
    "ResNet-20, batch 64": (lambda: cifar_net(20), (64, 3, 32, 32)),
    "ResNet-18, batch 8 at 224": (lambda: resnet(18), (8, 3, 224, 224)),
}


def main() -> None:
    """Print a Markdown table."""
    torch.set_num_threads(1)
    print("| network | bare pass, s | doctor, s | with a learning rate, s |\n|---|---|---|---|")
    for name, (make, shape) in NETWORKS.items():
        print(f"| {name} | " + " | ".join(f"{seconds:.2f}" for seconds in measured(make, shape)) + " |")


def measured(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> list[float]:
    """Return the processor seconds of a bare pass, of the doctor, and of the doctor with a learning rate."""
    torch.manual_seed(0)
    model, x = make(), torch.randn(shape)
    y = torch.arange(len(x)) % 10
    ways = (lambda: _bare(model, x, y), lambda: _examined(model, x, y, None), lambda: _examined(model, x, y, 0.02))
    rounds = [[_seconds(way) for way in ways] for _ in range(REPEATS + 1)][1:]  # the first imports
    return [min(column) for column in zip(*rounds, strict=True)]


def _bare(model: nn.Module, x: Tensor, y: Tensor) -> None:
    functional.cross_entropy(model(x), y).backward()
    model.zero_grad()


def _examined(model: nn.Module, x: Tensor, y: Tensor, lr: float | None) -> None:
    str(doctor(model, x, y, lr=lr))


def _seconds(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
