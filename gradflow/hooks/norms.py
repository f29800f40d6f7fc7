"""L2 norms that stay right at any magnitude, at close to the price of a float32 norm.

A float32 sum of squares returns 0.0 for a hundred entries of 1e-25, and adding up more than some thousand equal
entries in float32 drifts by 1e-5. On the CPU the sum runs in float32 over blocks and in float64 across them, and is
redone in float64 where the squares left float32's range. On an accelerator, where looking at a value would
synchronise, the sum runs in float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Scalar = float | Tensor  # a float on the CPU; a 0-d tensor on an accelerator, so that nothing waits for it

BLOCK = 1024  # equal entries: 4e-7 off at 1024 a block, 2e-6 at 4096, 1e-5 at 65536
SMALL = 8192  # up to this NumPy's float64 is quicker than two torch calls; OpenBLAS starts threads at 10,000
TOGETHER = 1 << 17  # entries of small tensors joined at a time: 1 MiB in float64
# A square under float32's smallest normal number (1e-38) loses digits. If the mean square exceeds it by 1e8, all such
# entries together weigh under 1e-8 of the sum.
SAFE_RMS = 1e-15
SAFE_MEAN_SQUARE = SAFE_RMS**2


def l2_norm(tensor: Tensor) -> Scalar:
    """Return the L2 norm of all entries, good to 1e-6 relative at any magnitude that the tensor's dtype holds.

    Parameters
    ----------
    tensor : Tensor
        Any shape, floating or complex, dense or sparse. Not changed.

    Returns
    -------
    float or Tensor
        A float for a tensor on the CPU. On another device a 0-d tensor there, without synchronising. NaN and inf
        entries give NaN and inf; an empty tensor gives 0.0.

    Examples
    --------
    >>> l2_norm(torch.full((100,), 1e-25))
    1.0000000195414814e-24
    """
    values = dense_real(tensor.detach())
    if values.device.type != "cpu":
        return _on_device(values)
    if values.dtype in (torch.float16, torch.bfloat16):
        values = values.float()
    if values.dtype != torch.float32:
        return _in_float64(values)
    return _by_numpy(values) if values.numel() <= SMALL else _in_blocks(_in_memory_order(values))


def l2_norms(tensors: list[Tensor]) -> list[Scalar]:
    """Return the L2 norm of each tensor, as `l2_norm` does, at a fraction of its price where many are small.

    Examples
    --------
    >>> l2_norms([torch.ones(4), torch.full((9,), 2.0)])
    [2.0, 6.0]
    """
    small = [number for number, tensor in enumerate(tensors) if is_small(tensor)]
    found = dict(zip(small, small_norms([tensors[number] for number in small]), strict=True))
    return [found[number] if number in found else l2_norm(tensor) for number, tensor in enumerate(tensors)]


def l2_norms_along(tensor: Tensor, dim: int) -> Tensor:
    """Return the L2 norm at each index of a dimension, over all others: a tensor of one dimension on the same device.

    As good as `l2_norm`, and without synchronising.

    Examples
    --------
    >>> l2_norms_along(torch.tensor([[3.0, 0.0], [4.0, 1e-25]]), 1).tolist()
    [5.0, 1.0000000195414814e-25]
    """
    values = dense_real(tensor.detach())
    others = [other for other in range(values.dim()) if other != dim]
    if values.dtype != torch.float64 and values.device.type != "mps":
        return torch.linalg.vector_norm(values.float(), dim=others, dtype=torch.float64)
    largest = torch.linalg.vector_norm(values, math.inf, dim=others, keepdim=True)
    scale = torch.where(torch.isfinite(largest) & (largest > 0), largest, torch.ones_like(largest))
    return torch.linalg.vector_norm(values / scale, dim=others) * scale.flatten()


def is_small(tensor: Tensor) -> bool:
    """Whether a tensor is an ordinary one of few float32 entries on the CPU, fit for `small_norms`."""
    return (
        tensor.dtype is torch.float32
        and tensor.is_cpu
        and 0 < tensor.numel() <= SMALL
        and tensor.layout is torch.strided
        and type(tensor) in _ORDINARY
    )


def are_small(tensors: Sequence[Tensor]) -> bool:
    """Whether all of some tensors are small, and not too many for one copy."""
    n_entries = 0
    for tensor in tensors:
        n = tensor.numel()
        if not 0 < n <= SMALL or type(tensor) not in _ORDINARY or tensor.dtype is not torch.float32:
            return False
        if not tensor.is_cpu or tensor.layout is not torch.strided:
            return False
        n_entries += n
    return n_entries <= TOGETHER


_ORDINARY = frozenset({Tensor, nn.Parameter})


def small_norms(tensors: list[Tensor]) -> list[Scalar]:
    """Return the norms of tensors that `is_small`: joined, squared in float64, which no square leaves, and added up."""
    if len(tensors) < 2:
        return [l2_norm(tensor) for tensor in tensors]
    if sum(tensor.numel() for tensor in tensors) > TOGETHER:
        half = len(tensors) // 2
        return small_norms(tensors[:half]) + small_norms(tensors[half:])
    return [*SmallCopies(tensors).norms()]


class SmallCopies:
    """The entries of tensors that `is_small`, as they are now: for norms that are taken later, many steps' at a time.

    A copy takes a fifth of the time of the norms, which are half as dear where one follows the other.

    Attributes
    ----------
    n_entries : int
    """

    __slots__ = ("_flat", "_sizes", "n_entries")

    def __init__(self, tensors: list[Tensor]) -> None:
        self._sizes = tuple([tensor.numel() for tensor in tensors])
        several = len(tensors) > 1
        self._flat = torch._C._nn.flatten_dense_tensors(tensors).detach() if several else _flat_copy(tensors[0])
        self.n_entries = self._flat.numel()

    def subtract(self, others: SmallCopies) -> None:
        """Take the entries of copies of the same tensors, made at another time, from these."""
        self._flat.sub_(others._flat)

    def shaped(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the copies in the shapes of tensors that have as many entries between them, in the same order."""
        parts = self._flat.split([tensor.numel() for tensor in tensors])
        return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]

    def norms(self) -> list[float]:
        """Return the norm of each."""
        entries = self._flat.numpy().astype(np.float64)
        np.multiply(entries, entries, out=entries)
        norms: list[float] = np.sqrt(np.add.reduceat(entries, _starts(self._sizes))).tolist()
        return norms

    def some_norms(self, places: Sequence[int]) -> list[float]:
        """Return the norms of those at some places; where these are not all, one by one."""
        if len(places) == len(self._sizes):
            return self.norms()
        return [_by_numpy(self._part(place)) for place in places]

    def n_nonfinite(self, place: int) -> int:
        """Return how many entries of one are NaN or inf."""
        part = self._part(place)
        return part.numel() - int(torch.isfinite(part).sum().item())

    def _part(self, place: int) -> Tensor:
        return self._flat.split(self._sizes)[place]


def _flat_copy(tensor: Tensor) -> Tensor:
    return tensor.detach().reshape(-1).clone()


@lru_cache(maxsize=64)  # of few models, again in each step
def _starts(sizes: tuple[int, ...]) -> NDArray[np.intp]:
    return np.array([0, *accumulate(sizes[:-1])])


def count_nonfinite(tensor: Tensor, norm: Scalar) -> int:
    """Return how many entries are NaN or inf, given the tensor's norm; -1 where looking would synchronise."""
    if isinstance(norm, Tensor):
        return -1
    if math.isfinite(norm):
        return 0
    values = dense_real(tensor.detach())
    return int(values.numel() - torch.isfinite(values).sum().item())


def unscaled(norm: Scalar, scale: Scalar) -> Scalar:
    """Return the norm divided by the loss scale, without looking at a value that is on an accelerator."""
    return norm if isinstance(scale, float) and scale == 1.0 else norm / scale


def dense_real(tensor: Tensor) -> Tensor:
    """Return the entries that make up the norm, as a dense real tensor."""
    if tensor.layout is torch.sparse_coo:
        tensor = tensor.coalesce().values()
    elif tensor.layout is not torch.strided:
        tensor = tensor.to_sparse_coo().coalesce().values()
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor.resolve_neg()


def _on_device(values: Tensor) -> Tensor:
    """Norm without a branch on any value; float64 accumulation where the device has it."""
    if values.numel() == 0:
        return values.new_zeros((), dtype=torch.float32)
    if values.dtype == torch.float64 or values.device.type == "mps":
        return _scaled(values)
    return torch.linalg.vector_norm(values, dtype=torch.float64)


def _scaled(values: Tensor) -> Tensor:
    """Norm of values divided by their largest magnitude: right where squares overflow the widest type at hand."""
    largest = torch.linalg.vector_norm(values, math.inf)
    scale = torch.where(torch.isfinite(largest) & (largest > 0), largest, torch.ones_like(largest))
    return torch.linalg.vector_norm(values / scale) * scale


def _in_float64(values: Tensor) -> float:
    norm = torch.linalg.vector_norm(values, dtype=torch.float64).item()
    if values.dtype == torch.float64 and not 1e-140 < norm < 1e150 and values.numel():
        norm = _scaled(values).item()  # the squares of float64 gradients can leave float64's range
    return norm


def _by_numpy(values: Tensor) -> float:
    entries = values.numpy()  # shares the memory; a torch call costs three times as much at this size
    if entries.size <= BLOCK:
        square = float(np.vdot(entries, entries))
        if SAFE_MEAN_SQUARE * entries.size <= square < math.inf:
            return math.sqrt(square)
    entries = entries.astype(np.float64)
    return math.sqrt(float(np.vdot(entries, entries)))


def _in_memory_order(values: Tensor) -> Tensor:
    """Return all entries in one dimension; of those that lie without gaps, in whatever order, no copy is made."""
    if not values.is_contiguous():  # channels_last, for example
        values = values.permute(sorted(range(values.dim()), key=values.stride, reverse=True))
    return values.reshape(-1)


def _in_blocks(flat: Tensor) -> float:
    n_tail = flat.numel() % BLOCK
    blocks = (flat[:-n_tail] if n_tail else flat).view(-1, BLOCK)
    norm = _in_float64(torch.linalg.vector_norm(blocks, dim=1))
    if n_tail:
        norm = math.hypot(norm, _by_numpy(flat[-n_tail:]))
    if SAFE_RMS * math.sqrt(flat.numel()) <= norm < math.inf:
        return norm
    return _in_float64(flat)
