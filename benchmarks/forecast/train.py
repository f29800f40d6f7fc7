"""One network of the study: the probe's signs on a copy, then the whole training, as one row."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gradflow.experiments.data import batches
from gradflow.probe.indicators import indicators
from gradflow.probe.trial import try_training

from .designs import Design
from .networks import OPTIMIZERS, build
from .tasks import Task, load_task

MOMENTS = (0, 1, 2, 5, 10, 20, 30)
SIGNS = (
    "loss", "probe_loss", "probe_error", "unlikeness", "total_grad_norm", "gradient_decades",
    "update_ratio_max", "update_ratio_median", "update_ratio_min", "growth",
)  # fmt: skip
PROBE_BATCHES = 4
EARLY = 50  # updates after which the plain training curve is read, for comparison
EVALUATED = 1500  # training examples at most on which errors are measured
OUTCOMES = ("chance", "diverged_step", "early_error", "train_error", "probe_seconds", "train_seconds")
COLUMNS = (*Design.columns(), *OUTCOMES, *(f"{sign}@{moment}" for moment in MOMENTS for sign in SIGNS))


def run(design: Design) -> dict[str, Any]:
    """Return the row of one design: its factors, its outcome, and its signs after 0, 1, ... updates."""
    task = load_task(design.data)
    model = build(design, task)
    optimizer = OPTIMIZERS[design.optimizer](model.parameters(), design.lr)
    began = time.perf_counter()
    recording = try_training(
        model,
        *(part[: PROBE_BATCHES * design.batch_size] for part in (task.inputs, task.labels)),
        optimizer=optimizer,
        batch_size=design.batch_size,
        moments=MOMENTS,
    )
    probed = time.perf_counter()
    seen = {
        f"{name}@{moment}": value
        for moment, row in indicators(recording).iterrows()
        for name, value in row.items()
        if name in SIGNS
    }
    outcome = train(model, optimizer, task, design)
    seconds = {"probe_seconds": probed - began, "train_seconds": time.perf_counter() - probed}
    return {**design.row(), "chance": task.chance, **outcome, **seconds, **seen}


def train(model: nn.Module, optimizer: torch.optim.Optimizer, task: Task, design: Design) -> dict[str, float]:
    """Train for the budget; the error of a run whose loss stops being finite is that of chance."""
    order = batches(len(task.labels), design.batch_size, torch.Generator().manual_seed(design.number))
    early = math.nan
    for step in range(design.budget):
        index = next(order)
        if step == EARLY:
            early = error(model, task)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(task.inputs[index]), task.labels[index])
        if not torch.isfinite(loss):
            return {"diverged_step": step, "early_error": early, "train_error": task.chance}
        loss.backward()
        optimizer.step()
    return {"diverged_step": math.nan, "early_error": early, "train_error": error(model, task)}


@torch.no_grad()
def error(model: nn.Module, task: Task) -> float:
    """Error on the training examples, in eval mode."""
    model.eval()
    inputs, labels = task.inputs[:EVALUATED], task.labels[:EVALUATED]
    wrong: Tensor = model(inputs).argmax(1) != labels
    model.train()
    return wrong.double().mean().item()
