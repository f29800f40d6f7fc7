"""Overhead of recording: time of a recorded training step over a bare one, interleaved in one run.

    python benchmarks/overhead.py [--rounds 40] [--workloads mlp,resnet20]

Every round times one block of steps of each variant, in a new random order, on models of their own with the same start.
A ratio is the variant's time over the bare loop's in the same round; the table gives the median of the rounds' ratios
with its 95 % bootstrap interval. "bare again" is a second bare loop: what it differs from 1 is the noise.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import gradflow
from gradflow.models import cifar_net

Step = Callable[[], None]
BOOTSTRAPS = 4000


@dataclass(frozen=True)
class Workload:
    """A network, a batch, and how many steps make one timed block."""

    make: Callable[[], nn.Module]
    inputs: Tensor
    targets: Tensor
    block: int


def workloads() -> dict[str, Workload]:
    generator = torch.Generator().manual_seed(0)

    def labels(n: int) -> Tensor:
        return torch.randint(0, 10, (n,), generator=generator)

    def images(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    def mlp() -> nn.Module:
        return nn.Sequential(
            nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
        )

    return {
        "mlp": Workload(mlp, images(16, 64), labels(16), block=100),
        "digits20": Workload(lambda: cifar_net(20, in_channels=1), images(64, 1, 8, 8), labels(64), block=10),
        "resnet20": Workload(lambda: cifar_net(20), images(128, 3, 32, 32), labels(128), block=1),
    }


def bare(work: Workload) -> Step:
    return _loop(work, lambda model: None)


def recorded(**options: object) -> Callable[[Workload], Step]:
    return lambda work: _loop(work, lambda model: gradflow.record(model, **options))


VARIANTS: dict[str, Callable[[Workload], Step]] = {
    "bare": bare,
    "bare again": bare,
    "parameters, every step": recorded(activations=False),
    "parameters and activations, every step": recorded(),
    "parameters and activations, every 10": recorded(schedule=10),
    "folk loop: p.grad.norm().item()": lambda work: _loop(work, lambda model: _Folk(model)),
}


class _Folk:
    """What people write by hand."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.history: list[dict[str, float]] = []

    def step(self, *, loss: Tensor) -> None:
        self.history.append({name: p.grad.norm().item() for name, p in self._model.named_parameters()})


def _loop(work: Workload, attach: Callable[[nn.Module], object]) -> Step:
    torch.manual_seed(0)
    model = work.make()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    observer = attach(model)

    def step() -> None:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(work.inputs), work.targets)
        loss.backward()
        if observer is not None:
            observer.step(loss=loss)
        optimizer.step()

    return step


def measure(work: Workload, rounds: int) -> dict[str, np.ndarray]:
    """Return seconds a step, one value a round, for every variant."""
    steps = {name: make(work) for name, make in VARIANTS.items()}
    rng = np.random.default_rng(0)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name in rng.permutation(list(steps)):
            began = time.perf_counter()
            for _ in range(work.block):
                steps[name]()
            if number > 0:  # the first round warms up
                times[name].append((time.perf_counter() - began) / work.block)
    return {name: np.array(values) for name, values in times.items()}


def ratio_with_interval(times: np.ndarray, base: np.ndarray) -> tuple[float, float, float]:
    """Return the median of the rounds' ratios and its 95 % bootstrap interval."""
    ratios = times / base
    rng = np.random.default_rng(1)
    medians = np.median(rng.choice(ratios, size=(BOOTSTRAPS, len(ratios))), axis=1)
    return (float(np.median(ratios)), *map(float, np.quantile(medians, [0.025, 0.975])))


def main() -> None:
    known = workloads()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--workloads", default=",".join(known))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, 1 thread, {arguments.rounds} rounds; ratio to the bare step, median [95 %]\n")
    print("| workload | variant | ms a step | ratio |\n|---|---|---|---|")
    for name in arguments.workloads.split(","):
        times = measure(known[name], arguments.rounds)
        for variant, values in times.items():
            ratio, low, high = ratio_with_interval(values, times["bare"])
            print(f"| {name} | {variant} | {1e3 * np.median(values):.3f} | {ratio:.3f} [{low:.3f}, {high:.3f}] |")


if __name__ == "__main__":
    main()
