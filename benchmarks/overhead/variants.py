"""What a training loop carries: nothing, gradflow, or what people write by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

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


class Loop(NamedTuple):
    """A training loop that has begun: its step, its network, and what observes it."""

    step: Callable[[], None]
    model: nn.Module
    observer: Any


def plain_loop(work: Workload, attach: Callable[[nn.Module], Observer | None]) -> Loop:
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

    return Loop(step, model, observer)


@dataclass(frozen=True)
class Variant:
    """One way to run a training loop.

    `attach` makes the observer of a new model, given how often it is due. With `every` = k it is due once in k steps,
    or every second step on workloads whose timed blocks are single steps.
    """

    name: str
    attach: Callable[[nn.Module, int], Any]
    every: int = 1
    one_round_in: int = 1  # rounds; more for a peer that would take most of the run's time
    loop: Callable[[Workload, Callable[[nn.Module], Any]], Loop] = plain_loop

    def alternates(self, work: Workload) -> bool:
        """Tell whether the observer is due every second step."""
        return self.every > 1 and work.block == 1

    def start(self, work: Workload) -> Loop:
        """Return a training loop on a model of its own."""
        schedule = 2 if self.alternates(work) else self.every
        return self.loop(work, lambda model: self.attach(model, schedule))


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
    _recorded("gradflow: parameters, every step", 1, activations=False),
    _recorded("gradflow: parameters, every 10", 10, activations=False),
    _recorded("gradflow: parameters and activations, every step", 1),
    _recorded("gradflow: parameters and activations, every 10", 10),
    Variant("folk loop: p.grad.norm().item()", lambda model, schedule: Folk(model)),
)
