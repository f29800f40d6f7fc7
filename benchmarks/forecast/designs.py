"""Which networks are trained: levels of each factor, those used to choose thresholds and those held out."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, fields
from typing import Any

# Thresholds are chosen on networks that have first-column levels only; second-column levels are never seen before
# the verdicts are counted.
LEVELS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "data": (("digits", "breast_cancer", "iris"), ("mnist5k", "wine", "spirals")),
    "activation": (("relu", "tanh", "sigmoid"), ("gelu", "silu", "leaky_relu", "elu")),
    "init": (("default", "xavier", "kaiming"), ("kaiming-0.8", "orthogonal", "normal-0.02", "kaiming-2")),
    "norm": (("none", "batch"), ("layer",)),
    "optimizer": (("momentum", "adam"), ("sgd", "rmsprop", "adamw")),
    "depth": ((4, 10, 20, 40), (6, 14, 30, 50)),
    "width": ((32, 128), (64,)),
}
STRONG = ("activation", "init", "norm", "optimizer")  # of these, two must be new in a network of new factors
LEARNING_RATES = {
    "sgd": (3e-3, 3.0),
    "momentum": (1e-3, 1.0),
    "adam": (1e-4, 1e-1),
    "rmsprop": (1e-4, 1e-1),
    "adamw": (1e-4, 1e-1),
}
SPLITS = {"choose": 0.40, "new data": 0.12, "new factors": 0.12, "new data and factors": 0.36}  # share of the runs
PLAIN_SHARE = 0.5  # of the networks have no norm, before the norm is drawn: otherwise few would fail
SKIP_SHARE = 0.25
CONV_SHARE = 0.3  # of the networks on images
CONV_DEPTHS = ((8, 20, 32), (14, 44))
CONV_BUDGET = 120
BUDGETS = (100, 300)


@dataclass(frozen=True)
class Design:
    """One network, its task and its training."""

    number: int
    split: str
    data: str
    kind: str  # "mlp" or "conv"
    depth: int
    width: int
    activation: str
    init: str
    norm: str
    skip: bool
    optimizer: str
    lr: float
    batch_size: int
    budget: int

    @staticmethod
    def columns() -> list[str]:
        """Return the names of the factors."""
        return [field.name for field in fields(Design)]

    def row(self) -> dict[str, Any]:
        """Return the factors by name."""
        return asdict(self)


def draw(number: int) -> Design:
    """Draw the design of a number; the same number gives the same design."""
    rng = random.Random(number)
    split = rng.choices(list(SPLITS), weights=list(SPLITS.values()))[0]
    has_new_data, has_new_factors = "data" in split, "factors" in split
    while True:
        levels = {name: _level(rng, name, has_new_factors) for name in LEVELS}
        levels["data"] = rng.choice(LEVELS["data"][has_new_data])
        if not has_new_factors or sum(levels[name] in LEVELS[name][1] for name in STRONG) >= 2:
            break
    is_conv = levels["data"] in ("digits", "mnist5k") and rng.random() < CONV_SHARE
    if is_conv:
        levels["depth"] = rng.choice(CONV_DEPTHS[has_new_factors])
        levels["norm"] = "layer" if levels["norm"] == "layer" else "batch"
    low, high = LEARNING_RATES[levels["optimizer"]]
    return Design(
        number=number,
        split=split,
        kind="conv" if is_conv else "mlp",
        skip=rng.random() < SKIP_SHARE,
        lr=low * (high / low) ** rng.random(),
        batch_size=64 if levels["data"] in ("digits", "mnist5k", "spirals") else 32,
        budget=CONV_BUDGET if is_conv else rng.choice(BUDGETS),
        **levels,
    )


def _level(rng: random.Random, factor: str, has_new_factors: bool) -> Any:
    """Return a level of the first column, or, where factors are new, of either."""
    column = int(has_new_factors and rng.random() < 0.5)
    if factor == "norm" and rng.random() < PLAIN_SHARE:
        return "none"
    return rng.choice(LEVELS[factor][column])
