"""What a training loop carries: nothing, gradflow, or what people write by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

import gradflow

from .workloads import Workload

BARE = "bare"
CONTROL = "bare again"


class Observer(Protocol):
    """What a variant hangs onto a loop; `step` is called after backward, before the optimizer."""

    def step(self, *, loss: Tensor) -> object:
        """Read the gradients of this step."""


@dataclass(frozen=True)
class Variant:
    """One way to run a training loop.

    `attach` makes the observer of a new model. With `every` = k the observer is due once in k steps; `alternating`
    says that it was told to be due every second step, for workloads whose timed blocks are shorter than k steps.
    """

    name: str
    attach: Callable[[nn.Module, int], Observer | None]
    every: int = 1
    loop: Callable[[Workload, Callable[[nn.Module], Any]], Callable[[], None]] | None = field(default=None)

    def alternates(self, work: Workload) -> bool:
        """Tell whether the timed blocks are shorter than the schedule."""
        return work.block % self.every != 0

    def start(self, work: Workload) -> Callable[[], None]:
        """Return one training step, on a model of its own."""
        schedule = 2 if self.alternates(work) else self.every
        return (self.loop or plain_loop)(work, lambda model: self.attach(model, schedule))


def plain_loop(work: Workload, attach: Callable[[nn.Module], Observer | None]) -> Callable[[], None]:
    torch.manual_seed(0)
    model = work.make()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    observer = attach(model)

    def step() -> None:
        optimizer.zero_grad()
        loss = work.loss(model)
        loss.backward()
        if observer is not None:
            observer.step(loss=loss)
        optimizer.step()

    return step


def _recorded(name: str, every: int, **options: Any) -> Variant:
    return Variant(name, lambda model, schedule: gradflow.record(model, schedule=schedule, **options), every)


class Folk:
    """What people write by hand."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.history: list[dict[str, float]] = []

    def step(self, *, loss: Tensor) -> None:
        """Keep one number per parameter, each moved at once."""
        self.history.append({name: p.grad.norm().item() for name, p in self._model.named_parameters()})


OWN = (
    Variant(BARE, lambda model, schedule: None),
    Variant(CONTROL, lambda model, schedule: None),
    _recorded("parameters, every step", 1, activations=False),
    _recorded("parameters, every 10", 10, activations=False),
    _recorded("parameters and activations, every step", 1),
    _recorded("parameters and activations, every 10", 10),
    Variant("folk loop: p.grad.norm().item()", lambda model, schedule: Folk(model)),
)
