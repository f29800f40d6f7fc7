"""Histograms of gradients, weights and outputs: exact counts in bins that are a part of a power of two wide.

An entry's bin is read off its bits: the sign, the exponent and the first bits of the fraction. So the bins are the same
for all tensors, reach from the smallest number of a type to its largest in both signs, and their ends are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from gradflow.hooks import sharded
from gradflow.hooks.failures import OnFailure, retried, together
from gradflow.hooks.norms import Scalar, dense_real
from gradflow.recording import DISTRIBUTION_COLUMNS

GRADIENT, WEIGHT, ACTIVATION = "gradient", "weight", "activation"

_FRACTION_BITS = 2  # so that each power of two has four bins, a decade 13
_CHUNK = 1 << 20  # entries looked at together
_TYPICAL = 100  # rows of a histogram that is still on its device

Counts = NDArray[np.int64] | Tensor  # by bin, in the order of bits, and of four single values: see `_Bits.single`


class _Bits(NamedTuple):
    """How a type of numbers is laid out: NumPy's and torch's integers of its size, bits of exponent and fraction."""

    numpy: type[np.unsignedinteger[Any]]
    torch: torch.dtype
    exponent: int
    fraction: int

    @property
    def n_bins(self) -> int:
        """Bins of one sign; those of the other follow them."""
        return 1 << (self.exponent + _FRACTION_BITS)

    @property
    def n_numbers(self) -> int:
        """Those of them that hold numbers: the last are of infinity and NaN."""
        return self.n_bins - (1 << _FRACTION_BITS)

    @property
    def shift(self) -> int:
        """Bits that are the same for all entries of a bin."""
        return self.fraction - _FRACTION_BITS

    @property
    def single(self) -> tuple[int, ...]:
        """The bits of 0.0, -0.0, inf and -inf, whose entries are counted apart."""
        sign, infinity = 1 << (self.exponent + self.fraction), ((1 << self.exponent) - 1) << self.fraction
        return 0, sign, infinity, sign | infinity


_FLOAT32 = _Bits(np.uint32, torch.int32, 8, 23)
_FLOAT64 = _Bits(np.uint64, torch.int64, 11, 52)


def is_counted(tensor: Tensor) -> bool:
    """Whether a tensor's entries are real or complex numbers, of which real and imaginary part are counted."""
    return tensor.is_floating_point() or tensor.is_complex()


def counts_of(tensor: Tensor, scale: Scalar = 1.0) -> Counts:
    """Return how many entries of a tensor divided by a scale are in each bin: an array, or a tensor on a device.

    Entries that a sparse tensor leaves out are zeros. Of a tensor that is spread over processes the whole is counted,
    which is a collective. On a device nothing waits.
    """
    if sharded.is_sharded(tensor):
        part, shards = sharded.part_of(tensor)
        return sharded.summed_over(torch.as_tensor(counts_of(part, scale)), tensor, shards)
    values = dense_real(tensor.detach())
    n_left_out = tensor.numel() * (1 + tensor.is_complex()) - values.numel()
    values = values.float() if values.itemsize < 4 else values
    if not (isinstance(scale, float) and scale == 1.0):
        values = values / scale
    bits = _FLOAT64 if values.dtype is torch.float64 else _FLOAT32
    count = _by_numpy if values.device.type == "cpu" else _on_device
    found, *others = [count(part, bits) for part in values.reshape(-1).split(_CHUNK)]
    for one in others:
        found = found + one
    for place in (0, 2 * bits.n_bins):  # the bin of zeros, and zeros
        found[place] += n_left_out
    return found


def _by_numpy(values: Tensor, bits: _Bits) -> NDArray[np.int64]:
    """Return the counts of entries on the CPU, a fifth of whose price in torch this is."""
    entries = values.numpy().view(bits.numpy)
    counts = np.bincount(entries >> bits.numpy(bits.shift), minlength=2 * bits.n_bins)
    return np.append(counts, [np.count_nonzero(entries == bits.numpy(one)) for one in bits.single])


def _on_device(values: Tensor, bits: _Bits) -> Tensor:
    """Return the counts without a look at any value: `torch.bincount` would wait for the largest."""
    entries = values.view(bits.torch)
    places = (entries >> bits.shift) & (2 * bits.n_bins - 1)
    counts = torch.zeros(2 * bits.n_bins, dtype=torch.int64, device=values.device)
    counts.index_add_(0, places, torch.ones_like(places, dtype=torch.int64))
    n_bits = 8 * values.itemsize
    single = [one - (one >> (n_bits - 1) << n_bits) for one in bits.single]  # as signed numbers
    return torch.cat([counts, torch.stack([(entries == one).sum() for one in single])])


class Histogram(NamedTuple):
    """The counts of one tensor, or of all calls of a layer, and what they are of."""

    step: int
    layer: str
    parameter: str  # empty of an output
    kind: str
    counts: Counts


class DistributionRows:
    """Histograms waiting on their device, and the table that they become."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[Any, ...], Histogram] = {}
        self.n_waiting = 0

    def add(self, histograms: Iterable[Histogram]) -> None:
        """Keep a step's histograms; those that are kept already count once."""
        added = {(*one[:-1], len(one.counts)): one for one in histograms}
        fresh = [one.counts for key, one in added.items() if key not in self._waiting]
        self.n_waiting += sum(_TYPICAL if isinstance(one, Tensor) else int(np.count_nonzero(one)) for one in fresh)
        self._waiting |= added

    def tables(self, on_failure: OnFailure) -> list[pd.DataFrame]:
        """Return the rows of what is waiting, after one transfer per device; no table where nothing is."""
        lost = "a distribution, in the table"
        waiting = [*self._waiting.values()]
        return together(retried(_table), waiting, lambda _, error: on_failure(lost, error)) if waiting else []


def _table(histograms: Sequence[Histogram]) -> pd.DataFrame:
    """Return the rows of histograms: one for each bin with an entry, in the order of values."""
    columns: dict[str, list[Any]] = {name: [] for name in DISTRIBUTION_COLUMNS}
    for one, counts in zip(histograms, _moved([one.counts for one in histograms]), strict=True):
        low, high, count = rows_of(counts)
        for name in ("step", "layer", "parameter", "kind"):
            columns[name] += [getattr(one, name)] * len(low)
        for name, values in (("low", low), ("high", high), ("count", count)):
            columns[name].append(values)
    joined = {name: np.concatenate(columns[name]) for name in ("low", "high", "count")}
    table = pd.DataFrame({**columns, **joined})
    if len({one[:-1] for one in histograms}) == len(histograms):  # nearly always: else calls of a layer differ in type
        return table
    keys = [name for name in DISTRIBUTION_COLUMNS if name != "count"]
    return table.groupby(keys, sort=False, dropna=False)["count"].sum().reset_index()


def _moved(counts: list[Counts]) -> list[NDArray[np.int64]]:
    """Return counts as arrays: one copy for each device and size, whatever their number."""
    moved: dict[int, NDArray[np.int64]] = {}
    alike: dict[Any, list[int]] = {}
    for place, one in enumerate(counts):
        if isinstance(one, Tensor):
            alike.setdefault((one.device, len(one)), []).append(place)
        else:
            moved[place] = one
    for places in alike.values():
        stacked = torch.stack([torch.as_tensor(counts[place]) for place in places]).cpu().numpy()
        moved.update(zip(places, stacked, strict=True))
    return [moved[place] for place in range(len(counts))]


def rows_of(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return low, high and count of each bin with an entry, in the order of values; zeros and such are both ends.

    NaN comes last. A bin holds its end that is nearer to zero.
    """
    bits = next(one for one in (_FLOAT32, _FLOAT64) if len(counts) == 2 * one.n_bins + len(one.single))
    n = bits.n_bins
    by_sign = counts[: 2 * n].reshape(2, n).copy()
    zero, minus_zero, infinite, minus_infinite = counts[2 * n :]
    by_sign[:, 0] -= (zero, minus_zero)  # the others there are the smallest numbers
    top = bits.n_numbers
    n_nan = by_sign[:, top:].sum() - infinite - minus_infinite
    negative, positive = by_sign[1, top - 1 :: -1], by_sign[0, :top]
    found = np.concatenate([[minus_infinite], negative, [zero + minus_zero], positive, [infinite, n_nan]])
    held = np.flatnonzero(found)
    low, high = _ends(bits)
    return low[held], high[held], found[held]


@cache
def _ends(bits: _Bits) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return low and high of all bins, in the order of `rows_of`."""
    exponent, place = np.divmod(np.arange(bits.n_bins), 1 << _FRACTION_BITS)
    bias = (1 << (bits.exponent - 1)) - 1
    with np.errstate(over="ignore"):  # beyond the largest float64
        ends = np.ldexp(place / (1 << _FRACTION_BITS) + (exponent > 0), np.maximum(exponent, 1) - bias)
    top = bits.n_numbers
    low = np.r_[-np.inf, -ends[top:0:-1], 0.0, ends[:top], np.inf, np.nan]
    return low, np.r_[-np.inf, 0.0 - ends[top - 1 :: -1], 0.0, ends[1 : top + 1], np.inf, np.nan]
