"""Interleaved timing of a workload's variants, kept in a file so that a run can go on where it stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .variants import BARE, Variant
from .workloads import Workload

BOOTSTRAPS = 4000


@dataclass(frozen=True)
class Failed:
    """A variant that did not run on a workload."""

    variant: str
    reason: str


def rounds(
    work: Workload, variants: Sequence[Variant], numbers: Sequence[int]
) -> Iterator[list[dict[str, Any]] | Failed]:
    """Time one block of every variant per round, each round in a new random order.

    Yields what failed at the start, then a round's rows: round, variant, due (of an alternating variant: whether its
    observer was due), seconds a step.
    """
    steps = {}
    for variant in variants:
        try:
            step = variant.start(work)
            for _ in range(max(2, work.block)):  # warm-up: as many steps for all
                step()
        except Exception as error:  # a peer may raise anything; the table names it
            yield Failed(variant.name, " ".join(f"{type(error).__name__}: {error}".split())[:160])
        else:
            steps[variant.name] = (variant, step)
    for turn, number in enumerate(numbers):
        rows = []
        for name in np.random.default_rng(number).permutation(list(steps)):
            variant, step = steps[name]
            began = time.perf_counter()
            for _ in range(work.block):
                step()
            seconds = (time.perf_counter() - began) / work.block
            is_due = turn % 2 == 0 if variant.alternates(work) else None  # two steps of warm-up: the first is due
            rows.append({"round": number, "variant": str(name), "due": is_due, "seconds": seconds})
        yield rows


def ratio_with_interval(rows: pd.DataFrame, variant: str, every: int) -> tuple[float, float, float]:
    """Return the median of the rounds' ratios to the bare step, and its 95 % bootstrap interval.

    Of an observer that alternates, 1 / every of the median of its due steps and the rest of the median of the others.
    """
    bare = rows[rows["variant"] == BARE].set_index("round")["seconds"]
    own = rows[rows["variant"] == variant].set_index("round")
    ratios = own["seconds"] / bare
    due = own["due"]
    if due.isna().all():
        parts = [(1.0, ratios.to_numpy())]
    else:
        is_due = due.astype(bool)
        parts = [(1 / every, ratios[is_due].to_numpy()), (1 - 1 / every, ratios[~is_due].to_numpy())]
    rng = np.random.default_rng(1)
    middle = sum(weight * np.median(values) for weight, values in parts)
    drawn = sum(
        weight * np.median(rng.choice(values, size=(BOOTSTRAPS, len(values))), axis=1) for weight, values in parts
    )
    return (float(middle), *map(float, np.quantile(drawn, [0.025, 0.975])))
