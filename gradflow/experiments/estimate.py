"""How long a plan will take: a few updates of its networks timed here and now, the rest scaled by what they compute."""

from __future__ import annotations

import heapq
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from gradflow.experiments.data import sizes
from gradflow.experiments.planned_run import Run
from gradflow.experiments.pool import default_workers
from gradflow.experiments.train import EVAL_BATCH
from gradflow.experiments.update_step import Updater
from gradflow.models.costs import cost

BUDGET_SECONDS = 5.0  # no network's timing starts later
REPEATS = 3


@dataclass(frozen=True)
class Estimate:
    """What a plan is expected to take: seconds from the first run's start to the last one's end, NaN if none was timed.

    `of_runs` are the seconds of each run, in the plan's order, `workers` of them at one time. `measured` networks were
    timed, `scaled` ones follow from them by counted multiply-adds.
    """

    seconds: float
    total_seconds: float
    of_runs: tuple[float, ...]
    workers: int
    measured: int
    scaled: int


@dataclass(frozen=True)
class _Sample:
    """What one network took: seconds an update and seconds an image of evaluation; multiply-adds of an update."""

    update: float
    evaluation: float
    work: float

    def scaled_to(self, work: float) -> _Sample:
        factor = work / self.work
        return _Sample(self.update * factor, self.evaluation * factor, work)


def estimate(runs: Sequence[Run], *, workers: int | None = None, budget: float = BUDGET_SECONDS) -> Estimate:
    """Time a few updates of the plan's networks, cheapest first, until the budget (seconds) is spent; scale the others.

    What is timed is most of what `train` does between two recordings: forward and backward pass of one batch, and the
    forward pass of evaluation; with random pixels, so no data set is fetched. Left out are the optimizer's arithmetic
    (4 % of a ResNet-20's step), augmentation, recording, the start of processes, what they take from one another,
    probes and the report.
    """
    count = max(1, min(workers or default_workers(runs[0].device), len(runs)))
    kinds = {_kind(run): run for run in runs}
    samples: dict[object, _Sample] = {}
    with _one_thread():
        work = {kind: _work(run) for kind, run in kinds.items()}
        began = time.perf_counter()
        for kind in sorted(kinds, key=lambda one: work[one]):
            if not samples or time.perf_counter() - began < budget:
                samples[kind] = _timed(kinds[kind], work[kind], budget)
    largest = max(samples.values(), key=lambda sample: sample.work)
    taken = tuple(_seconds(run, samples.get(_kind(run)) or largest.scaled_to(work[_kind(run)])) for run in runs)
    return Estimate(
        seconds=makespan(taken, count),
        total_seconds=math.fsum(taken),
        of_runs=taken,
        workers=count,
        measured=len(samples),
        scaled=len(kinds) - len(samples),
    )


def makespan(seconds: Sequence[float], workers: int) -> float:
    """Return when the last run ends if each free worker takes the next one.

    Examples
    --------
    >>> makespan([3.0, 2.0, 2.0], 2)
    4.0
    """
    free = [0.0] * workers
    for taken in seconds:
        heapq.heapreplace(free, free[0] + taken)
    return max(free)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread, as a worker does."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _kind(run: Run) -> object:
    """Return what decides the time of one update: runs of one kind differ in seed, rates and length alone."""
    recipe = run.recipe
    return (run.network, run.data, run.device, recipe.batch_size, recipe.accumulate, recipe.optimizer, recipe.precision)


def _work(run: Run) -> float:
    """Return the multiply-adds of one batch's forward pass."""
    shape, _, _, num_classes = sizes(run.data)
    model = run.network.build(run.seed, input_shape=shape, num_classes=num_classes)
    return float(cost(model, shape).multiply_adds * run.recipe.batch_size)


def _timed(run: Run, work: float, budget: float) -> _Sample:
    """Time updates and evaluation of one network on random pixels."""
    shape, _, _, num_classes = sizes(run.data)
    device = torch.device(run.device)
    draws = torch.Generator().manual_seed(0)
    n = run.recipe.batch_size
    images = torch.randn(max(n, EVAL_BATCH), *shape, generator=draws).to(device)
    labels = torch.randint(num_classes, (n,), generator=draws).to(device)
    model = run.network.build(run.seed, input_shape=shape, num_classes=num_classes).to(device)
    updater = Updater(model, run.recipe)

    def update() -> Tensor:
        loss, _ = updater.forward_backward(images[:n], labels)
        return loss

    @torch.inference_mode()
    def evaluate() -> Tensor:
        return torch.as_tensor(model(images[:EVAL_BATCH]))

    seconds = _median_seconds(update, budget / 2)
    model.eval()
    return _Sample(seconds, _median_seconds(evaluate, budget / 2) / EVAL_BATCH, work)


def _median_seconds(once: Callable[[], Tensor], enough: float) -> float:
    """Return the median time of a few calls after a first one; of the first alone if it took long."""
    first = _one(once)
    return first if first > enough / REPEATS else statistics.median(_one(once) for _ in range(REPEATS))


def _one(once: Callable[[], Tensor]) -> float:
    began = time.perf_counter()
    once().sum().item()  # waits for the device
    return time.perf_counter() - began


def _seconds(run: Run, sample: _Sample) -> float:
    """Return the seconds of a run: its updates, one more batch at the end, and its evaluations."""
    _, n_train, n_test, _ = sizes(run.data)
    evaluations = math.ceil(run.steps / run.eval_every)
    return (run.steps + 1) * sample.update + evaluations * (n_train + n_test) * sample.evaluation
