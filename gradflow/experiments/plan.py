"""What is to be trained: one Run per network, all of it validated before the first starts."""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from gradflow.experiments.data import check_data
from gradflow.experiments.recipe import PlanError
from gradflow.models.blocks import Shortcut
from gradflow.models.cifar import FAMILIES, SHORTCUTS, Family, check_depth

SCHEDULES = ("cosine", "step")
WIDTHS = (16, 32, 64)  # the paper's
STEPS = 300
BATCH_SIZE = 64
LEARNING_RATE = 0.02
MOMENTUM = 0.9
WEIGHT_DECAY = 1e-4
RECORD_EVERY = 10
EVAL_EVERY = 150
SEEDS = 3


@dataclass(frozen=True)
class Run:
    """One network to train: everything that shapes its result.

    `steps` optimizer updates on batches of `batch_size`; `lr` is the peak; `warmup` the number of first steps on
    which it rises linearly. The gradient is recorded every `record_every` steps and at 0, 1, 10, 100 and the end; the
    errors on the whole sets are measured every `eval_every` steps and at the end, not before the first update, when
    batch norm's running statistics hold nothing yet.
    """

    family: Family
    depth: int
    seed: int
    data: str = "digits"
    shortcut: Shortcut = "A"
    widths: tuple[int, int, int] = WIDTHS
    steps: int = STEPS
    batch_size: int = BATCH_SIZE
    lr: float = LEARNING_RATE
    schedule: str = "cosine"
    warmup: int = 0
    momentum: float = MOMENTUM
    weight_decay: float = WEIGHT_DECAY
    record_every: int = RECORD_EVERY
    eval_every: int = EVAL_EVERY
    device: str = "cpu"

    @property
    def label(self) -> str:
        """What the run is called in progress displays."""
        return f"{self.family}-{self.depth} seed {self.seed}"

    @property
    def id(self) -> str:
        """Folder name: readable, and different for any difference in what shapes the result."""
        described = json.dumps({**asdict(self), "torch": torch.__version__}, sort_keys=True)
        digest = hashlib.sha256(described.encode()).hexdigest()[:8]
        return f"{self.family}-{self.depth}-seed{self.seed}-{digest}"

    @property
    def cost(self) -> float:
        """Expected time in arbitrary units, to start the longest first."""
        return self.depth * self.steps * self.batch_size

    def to_json(self) -> dict[str, Any]:
        """Return the run as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Run:
        """Return the run that `to_json` described."""
        return cls(**{**values, "widths": tuple(values["widths"])})


def plan(
    depths: Iterable[int],
    *,
    families: Iterable[str] = FAMILIES,
    seeds: int | Iterable[int] = SEEDS,
    shortcut: str = "A",
    widths: Sequence[int] = WIDTHS,
    data: str = "digits",
    steps: int = STEPS,
    batch_size: int = BATCH_SIZE,
    lr: float = LEARNING_RATE,
    schedule: str = "cosine",
    warmup: int = 0,
    record_every: int = RECORD_EVERY,
    eval_every: int = EVAL_EVERY,
    device: str = "auto",
) -> list[Run]:
    """Return every run of a comparison, longest first; nothing is trained.

    Parameters
    ----------
    depths : iterable of int
        Weighted layers, each 6n + 2.
    families : iterable of str
        "plain", "residual" or both.
    seeds : int or iterable of int
        How many seeds (0, 1, ...), or which. Runs of one seed share the data order, and plain and option A nets the
        initial weights: differences are paired.
    device : str
        "auto" takes the GPU if there is one; otherwise PyTorch's name.
    shortcut, widths, data, steps, batch_size, lr, schedule, warmup, record_every, eval_every
        As in `Run`.

    Raises
    ------
    PlanError, DataError
        An argument is out of range.
    """
    # operator.index turns NumPy's integers into Python's, which JSON knows
    depth_list = _unique("depths", map(operator.index, depths))
    family_list, seed_list = _unique("families", families), _seeds(seeds)
    widths = [operator.index(width) for width in widths]
    try:
        for depth in depth_list:
            check_depth(depth)
    except ValueError as error:
        raise PlanError(str(error)) from None
    for family in family_list:
        _one_of("family", family, FAMILIES)
    _one_of("shortcut", shortcut, SHORTCUTS)
    _one_of("schedule", schedule, SCHEDULES)
    if len(widths) != 3 or any(width < 1 for width in widths):
        raise PlanError(
            f"widths must be three positive channel counts, such as 16,32,64; got {','.join(map(str, widths))}."
        )
    counts = {
        "steps": steps,
        "batch size": batch_size,
        "record every": record_every,
        "eval every": eval_every,
    }
    for name, count in counts.items():
        if count < 1:
            raise PlanError(f"{name} must be at least 1; got {count}.")
    if not 0 < lr < float("inf"):
        raise PlanError(f"lr must be a positive number; got {lr}.")
    if not 0 <= warmup <= steps:
        raise PlanError(f"warmup must lie between 0 and the {steps} steps; got {warmup}.")
    check_data(data)
    shared: dict[str, Any] = {
        "data": data,
        "shortcut": shortcut,
        "widths": tuple(widths),
        "steps": steps,
        "batch_size": batch_size,
        "lr": lr,
        "schedule": schedule,
        "warmup": warmup,
        "record_every": record_every,
        "eval_every": eval_every,
        "device": resolve_device(device),
    }
    runs = [
        Run(family=family, depth=depth, seed=seed, **shared)
        for seed in seed_list
        for depth in depth_list
        for family in family_list
    ]
    return sorted(runs, key=lambda run: -run.cost)


def resolve_device(device: str) -> str:
    """Return PyTorch's name of the device, or raise PlanError if this machine does not have it."""
    available = ["cpu"]
    if torch.cuda.is_available():
        available += ["cuda", *[f"cuda:{index}" for index in range(torch.cuda.device_count())]]
    if torch.backends.mps.is_available():
        available.append("mps")
    if device == "auto":
        return "cuda" if "cuda" in available else "cpu"
    if device not in available:
        raise PlanError(f"device must be auto or one of {', '.join(available)} on this machine; got {device!r}.")
    return device


def _seeds(seeds: int | Iterable[int]) -> list[int]:
    if isinstance(seeds, int):
        if seeds < 1:
            raise PlanError(f"seeds must be at least 1; got {seeds}.")
        return list(range(seeds))
    return _unique("seeds", map(operator.index, seeds))


def _unique(name: str, values: Iterable[Any]) -> list[Any]:
    """Return the values without repeats; none at all is an error."""
    kept = list(dict.fromkeys(values))
    if not kept:
        raise PlanError(f"{name} must name at least one; got none.")
    return kept


def _one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise PlanError(f"{name} must be one of {', '.join(allowed)}; got {value!r}.")
