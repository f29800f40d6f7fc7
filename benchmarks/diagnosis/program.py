"""A training program: a network, its data and its loop, written out so that a fault can change any line of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import gradflow
from gradflow.experiments.data import batches
from gradflow.recording import Recording

from .networks import Design, Net, build
from .tasks import Loss, Task, load_task

DENSE_STEPS, EVERY = 10, 10  # recorded: the first so many steps, then every so many


@dataclass
class Program:
    """What runs; all of it can be changed before it does."""

    design: Design
    model: Net
    task: Task
    inputs: Tensor
    targets: Tensor
    loss: Loss
    optimizer: str
    lr: float
    updates: int
    momentum: float = 0.9
    weight_decay: float = 0.0
    epsilon: float = 1e-8
    clip: float = math.inf
    batch_size: int = 64
    rate: Callable[[float], float] = lambda progress: 1.0  # factor of the rate by progress in [0, 1)
    held: Callable[[Net], list[nn.Parameter]] = lambda model: list(model.parameters())
    prepare: Callable[[Net], None] = lambda model: None  # before each forward pass
    clears: bool = True  # zero_grad()
    steps: bool = True  # optimizer.step()
    evaluates: bool = False  # the model stays in eval mode
    accumulate: int = 1
    judged_by: Tensor | None = None  # what answers are compared with, where the targets are something else


def program(design: Design, seed: int) -> Program:
    """Return a program without fault."""
    torch.manual_seed(seed)
    task = load_task(design.task)
    return Program(
        design, build(design), task, task.inputs, task.targets, task.loss, design.optimizer, design.lr, design.updates
    )


def optimizer_of(one: Program, lr: float) -> torch.optim.Optimizer:
    """Return the optimizer, which holds what the program says."""
    parameters = one.held(one.model)
    made: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "sgd": lambda: torch.optim.SGD(parameters, lr, momentum=one.momentum, weight_decay=one.weight_decay),
        "adam": lambda: torch.optim.Adam(parameters, lr, weight_decay=one.weight_decay, eps=one.epsilon),
        "adamw": lambda: torch.optim.AdamW(parameters, lr, weight_decay=one.weight_decay or 0.01),
        "rmsprop": lambda: torch.optim.RMSprop(parameters, lr),
    }
    return made[one.optimizer]()


def train(one: Program, seed: int, *, is_recorded: bool) -> Recording | None:
    """Run a program to its end, or until its loss is no longer finite; return what was recorded."""
    order = batches(len(one.targets), one.batch_size, torch.Generator().manual_seed(seed))
    optimizer = optimizer_of(one, one.lr)
    if not is_recorded:
        _loop(one, order, optimizer, one.updates, None)
        return None
    recorder = gradflow.record(
        one.model, optimizer=optimizer, weights=True, statistics=True,
        schedule=lambda step: step < DENSE_STEPS or step % EVERY == 0,
    )  # fmt: skip
    _loop(one, order, optimizer, one.updates, recorder)
    recorder.close()
    return recorder.recording


def _loop(
    one: Program,
    order: Iterator[Tensor],
    optimizer: torch.optim.Optimizer,
    updates: int,
    recorder: gradflow.Recorder | None,
) -> None:
    one.model.train(not one.evaluates)
    base = optimizer.param_groups[0]["lr"]
    for step in range(updates):
        for group in optimizer.param_groups:
            group["lr"] = base * one.rate(step / updates)
        if one.clears:
            optimizer.zero_grad()
            one.model.zero_grad()
        for _ in range(one.accumulate):
            index = next(order)
            one.prepare(one.model)
            loss = one.loss(one.model(one.inputs[index]), one.targets[index]) / one.accumulate
            if loss.requires_grad:
                loss.backward()
        if recorder is not None:
            recorder.step(loss=loss * one.accumulate)
        if math.isfinite(one.clip):
            nn.utils.clip_grad_norm_(one.model.parameters(), one.clip)
        if one.steps:
            optimizer.step()
        if not torch.isfinite(loss):
            break


@torch.no_grad()
def score(one: Program) -> float:
    """Return how badly the network answers on all that it was trained on, 0 the best."""
    one.model.eval()
    return one.task.score(one.model(one.inputs), one.targets if one.judged_by is None else one.judged_by)
