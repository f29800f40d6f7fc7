"""Basic and bottleneck blocks side by side: parameters, multiply-adds, and measured time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gradflow.models.bottleneck import ResidualBasic, ResidualBottleneck
from gradflow.models.costs import cost
from gradflow.models.layer_parts import check_counts

SIZE = 56  # pixels of a side in the first stage of the ImageNet networks
REPEATS = 21
WARM_UP = 2
CONFIDENCE = 0.95
REFERENCE = 1  # of COMPARED: the bottleneck at equal width

Times = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class Compared:
    """A block by its kind and widths."""

    block: str
    in_channels: int
    out_channels: int

    def build(self) -> nn.Module:
        """Return the block, with a skip."""
        make: Callable[[int, int], nn.Module] = ResidualBasic if self.block == "basic" else ResidualBottleneck
        return make(self.in_channels, self.out_channels)


# Equal widths in and out, then the two that are often set side by side though they give 64 and 256 channels.
COMPARED = (
    Compared("basic", 256, 256),
    Compared("bottleneck", 256, 256),
    Compared("basic", 64, 64),
    Compared("bottleneck", 64, 256),
)


class Median(NamedTuple):
    """A median, the bounds of its 95 % interval (NaN where there are too few values) and the number of values."""

    median: float
    low: float
    high: float
    n: int


def median_interval(values: Sequence[float]) -> Median:
    """Return the median and its interval from order statistics, which needs no distribution.

    The bounds are the k-th smallest and the k-th largest value, with the largest k for which at least 95 % of
    binomial(n, 1/2) lies between (Conover 1999, section 3.2). Below six values there is none.

    Examples
    --------
    >>> median_interval([3, 1, 2, 5, 4, 6, 7])
    Median(median=4.0, low=1.0, high=7.0, n=7)
    """
    ordered = sorted(float(value) for value in values)
    n = len(ordered)
    left_out, rank = 0.0, 0  # the chance that fewer than `rank` values lie below the median
    while 2 * (left_out + math.comb(n, rank) / 2**n) <= 1 - CONFIDENCE:
        left_out += math.comb(n, rank) / 2**n
        rank += 1
    low, high = (ordered[rank - 1], ordered[n - rank]) if rank else (math.nan, math.nan)
    return Median(float(np.median(ordered)), low, high, n)


def block_rows(*, size: int = SIZE, batch: int = 1, repeats: int = REPEATS) -> list[dict[str, Any]]:
    """Return what each block costs: one row per block of `COMPARED`.

    Keys: block, in_channels, out_channels, size, batch; parameters, multiply_adds (of one image); forward_ms with
    forward_ms_low and _high, the same of backward_ms; time_ratio with _low and _high, both passes over those of the
    bottleneck at equal width in the same repeat; n repeats; threads. The backward pass computes the gradients of
    weights and input. Blocks take turns in every repeat, so that what slows the machine slows all of them. Raises
    ValueError where `size`, `batch` or `repeats` is below 1.
    """
    check_counts(size=size, batch=batch, repeats=repeats)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        blocks = [one.build() for one in COMPARED]
        inputs = [torch.randn(batch, one.in_channels, size, size, requires_grad=True) for one in COMPARED]
        times = _times(blocks, inputs, repeats)
    totals = times.sum(axis=2)
    return [
        {
            **asdict(one),
            "size": size,
            "batch": batch,
            **_counted(blocks[number], (one.in_channels, size, size)),
            **_described("forward_ms", 1000 * times[number, :, 0]),
            **_described("backward_ms", 1000 * times[number, :, 1]),
            **_described("time_ratio", totals[number] / totals[REFERENCE]),
            "n": repeats,
            "threads": torch.get_num_threads(),
        }
        for number, one in enumerate(COMPARED)
    ]


def _times(blocks: Sequence[nn.Module], inputs: Sequence[Tensor], repeats: int) -> Times:
    """Return seconds of (block, repeat, forward and backward); the first rounds warm up and do not count."""
    times = np.empty((len(blocks), WARM_UP + repeats, 2))
    for repeat in range(WARM_UP + repeats):
        for number, (block, images) in enumerate(zip(blocks, inputs, strict=True)):
            start = time.perf_counter()
            output = block(images)
            middle = time.perf_counter()
            output.backward(torch.ones_like(output))
            times[number, repeat] = middle - start, time.perf_counter() - middle
            block.zero_grad()
            images.grad = None
    return times[:, WARM_UP:]


def _counted(block: nn.Module, input_shape: tuple[int, ...]) -> dict[str, int]:
    found = cost(block, input_shape)
    return {"parameters": found.parameters, "multiply_adds": found.multiply_adds}


def _described(name: str, values: Sequence[float] | Times) -> dict[str, float]:
    found = median_interval(list(values))
    return {name: found.median, f"{name}_low": found.low, f"{name}_high": found.high}
