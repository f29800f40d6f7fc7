"""Interleaved timing of a workload's variants."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from .variants import BARE, Loop, Variant
from .workloads import Workload

Row = dict[str, Any]


def measure(work: Workload, variants: Sequence[Variant], numbers: Sequence[int]) -> Iterator[list[Row]]:
    """Time one block of every variant per round, each round in a new random order.

    A variant with `one_round_in` = k takes part in every k-th round alone. Yields rows (variant, what, round, due,
    seconds, cpu, note) as they come. `what` is step: wall and processor seconds a step in a round, and of an observer
    that is due every second step whether it was; flush: seconds that reading out what was kept took at the end; failed:
    the variant did not run, `note` says why; differs: its weights differ from the bare loop's by `note`.
    """
    loops, rows = _start(work, variants)
    yield rows
    by_name = {variant.name: variant for variant in variants}
    for turn, number in enumerate(numbers):
        rows = []
        timed = [name for name in loops if number % by_name[name].one_round_in == 0]
        for name in np.random.default_rng(number).permutation(timed):
            is_due = turn % 2 == 0 if by_name[name].alternates(work) else None
            row = {"variant": str(name), "what": "step", "round": number, "due": is_due}
            rows.append(row | _time_block(loops[name], work.block))
        yield rows
    taken = _warm_up(work) + work.block * len(numbers)
    yield [
        {"variant": name, "what": "flush", "seconds": _seconds_to_flush(loop), "note": f"after {taken} steps"}
        for name, loop in loops.items()
        if hasattr(loop.observer, "flush")
    ]


def _time_block(loop: Loop, steps: int) -> Row:
    """Return wall and processor time a step; the latter is of this process, in all its threads."""
    began, cpu_began = time.perf_counter(), time.process_time()
    for _ in range(steps):
        loop.step()
    return {"seconds": (time.perf_counter() - began) / steps, "cpu": (time.process_time() - cpu_began) / steps}


def _start(work: Workload, variants: Sequence[Variant]) -> tuple[dict[str, Loop], list[Row]]:
    """Begin every variant's loop, warm it up and compare its weights with the bare loop's, which comes first."""
    loops: dict[str, Loop] = {}
    rows: list[Row] = []
    for variant in variants:
        try:
            loop = variant.start(work)
            for _ in range(_warm_up(work)):
                loop.step()
        except Exception as error:  # a peer may raise anything; the table names it
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            rows.append({"variant": variant.name, "what": "failed", "note": reason})
            continue
        loops[variant.name] = loop
        difference = _difference(loop.model, loops[BARE].model)
        if difference:
            rows.append({"variant": variant.name, "what": "differs", "note": f"{difference:.1e}"})
    return loops, rows


def _warm_up(work: Workload) -> int:
    """Return the steps before the first round; an even number: observers due every second step are due in it."""
    return max(2, work.block)


def _difference(model: nn.Module, other: nn.Module) -> float:
    """Return the largest absolute difference between the weights of two models."""
    with torch.no_grad():
        pairs = zip(model.parameters(), other.parameters(), strict=True)
        return max(float((mine - theirs).abs().max()) for mine, theirs in pairs)


def _seconds_to_flush(loop: Loop) -> float:
    began = time.perf_counter()
    loop.observer.flush()
    return time.perf_counter() - began
