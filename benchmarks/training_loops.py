"""The training loops that `training` times: gradflow's, and what a person writes instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from gradflow.experiments import Run, train
from gradflow.experiments.data import Dataset
from gradflow.experiments.train import PROGRESS_EVERY, build

GRADFLOW, BARE = "gradflow", "bare"
EVAL_BATCH = 512
BLOCK = PROGRESS_EVERY  # train() calls back as often

OnStep = Callable[[int], object]  # called every BLOCK steps
Loop = Callable[[Run, Dataset, OnStep], None]


def gradflow_loop(run: Run, data: Dataset, on_step: OnStep) -> None:
    train(run, on_step=on_step)


def unrecorded_loop(run: Run, data: Dataset, on_step: OnStep) -> None:
    train(run, on_step=on_step, recorded=False)


def bare_loop(run: Run, data: Dataset, on_step: OnStep, *, measured: bool = True) -> None:
    model, optimizer, scheduler = _begin(run, data)
    on_step(0)
    size = run.recipe.batch_size
    for step, index in zip(range(1, run.steps + 1), _orders(len(data.train_labels), size, run.seed), strict=False):
        loss = functional.cross_entropy(model(data.train_images[index]), data.train_labels[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if measured and (step % run.eval_every == 0 or step == run.steps):
            for images, labels in ((data.train_images, data.train_labels), (data.test_images, data.test_labels)):
                _error(model, images, labels)
        if step % BLOCK == 0:
            on_step(step)


def unmeasured_loop(run: Run, data: Dataset, on_step: OnStep) -> None:
    bare_loop(run, data, on_step, measured=False)


def usual_loop(run: Run, data: Dataset, on_step: OnStep, *, processes: int = 0) -> None:
    model, optimizer, scheduler = _begin(run, data)
    on_step(0)
    size = run.recipe.batch_size
    trained = TensorDataset(data.train_images, data.train_labels)
    loader = DataLoader(trained, batch_size=size, shuffle=True, drop_last=True, num_workers=processes)
    tested = TensorDataset(data.test_images, data.test_labels)
    test_loader = DataLoader(tested, batch_size=size, num_workers=processes)
    criterion = nn.CrossEntropyLoss()
    step = 0
    while step < run.steps:
        model.train()
        running_loss, correct = 0.0, 0
        for images, labels in loader:
            optimizer.zero_grad()
            outputs = model(images)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            scheduler.step()
            running_loss += loss.item()
            correct += (outputs.argmax(1) == labels).sum().item()
            step += 1
            if step % BLOCK == 0:
                on_step(step)
            if step == run.steps:
                break
        model.eval()
        correct = 0
        with torch.no_grad():
            for images, labels in test_loader:
                correct += (model(images).argmax(1) == labels).sum().item()


def two_process_loop(run: Run, data: Dataset, on_step: OnStep) -> None:
    usual_loop(run, data, on_step, processes=2)


LOOPS: dict[str, Loop] = {
    GRADFLOW: gradflow_loop,
    "gradflow, unrecorded": unrecorded_loop,
    BARE: bare_loop,
    "bare, no errors": unmeasured_loop,
    "bare again": bare_loop,
    "usual": usual_loop,
    "usual, 2 processes": two_process_loop,
}
ALONE = ("usual, 2 processes",)  # its processes would work ahead while the others run


def _begin(run: Run, data: Dataset) -> tuple[nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Return what a hand-written loop begins with: the run's network, and PyTorch's own optimizer and schedule."""
    recipe, model = run.recipe, build(run, data)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    return model, optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=run.steps)


def _orders(n: int, size: int, seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.randperm(n, generator=generator)[: n - n % size].split(size)


@torch.no_grad()
def _error(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    model.eval()
    parts = zip(images.split(EVAL_BATCH), labels.split(EVAL_BATCH), strict=True)
    wrong = sum((model(part).argmax(1) != label).sum().item() for part, label in parts)
    model.train()
    return wrong / len(labels)
