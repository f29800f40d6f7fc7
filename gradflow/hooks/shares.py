"""What the skip and the branch of each residual join contribute to the gradient, in numbers.

At a fork x of y = x + F(x) the gradient is g = s + b: s came back through the skip, b through the branch. With an
identity skip s is the gradient at the join and b = J_F^T s. Then |s|^2 + |b|^2 + 2 <s, b> = |g|^2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from gradflow.hooks.edges import on_shares
from gradflow.hooks.joins import Join
from gradflow.hooks.norms import Scalar

CHUNK = 2**16  # entries turned into float64 at a time: they stay in the cache

MEASURED = "measured"
NO_GRADIENT = "no gradient"  # nothing arrived on any path: the loss does not depend on the join
ZERO_GRADIENT = "zero gradient"  # exactly zero on all paths: a zero-initialised head, say
ZERO_BRANCH = "zero branch"  # the branch passes nothing back: ReZero, Fixup, a zero-initialised last layer
ZERO_SKIP = "zero skip"
CANCELLED = "cancelled"  # skip and branch are opposite to the last bit
NOT_FINITE = "not finite"


@dataclass(frozen=True)
class Share:
    """Squares and inner product of the two shares at one join; 0-d tensors where the gradients are on a device."""

    skip_square: Scalar
    branch_square: Scalar
    inner: Scalar
    total_square: Scalar


class Shares:
    """The shares of one backward pass by join."""

    def __init__(self, joins: Iterable[Join]) -> None:
        self.joins = list(joins)
        self._found: dict[Join, Share | None] = {}

    def note(self, join: Join, skip: Tensor | None, branch: Tensor | None) -> None:
        """Take the numbers of one join."""
        self._found[join] = share_of(skip, branch)

    def frame(self, ratios: Mapping[Join, float] | None = None) -> pd.DataFrame:
        """Return one row per join, in forward order.

        Columns: `join`, `fork`, `kind`, `n_branches`; `skip_sq`, `branch_sq`, `cross`, the fractions |s|^2, |b|^2 and
        2 <s, b> of |g|^2, sum 1; `skip_share`, <s, g> / |g|^2; `angle` between s and b in degrees; `grad_norm` |g|;
        `branch_ratio`, |F(x)| / |x| in the forward pass, if `ratios` are given; `n_other_uses` of the fork beside this
        join, whose gradients g does not hold; `status`. Fractions of a gradient that is zero are NaN.
        """
        numbers = _on_host([self._found.get(join) for join in self.joins])
        rows = [
            {"join": join.name, "fork": join.fork, "kind": join.kind, "n_branches": join.n_branches}
            | _fractions(share)
            | {"branch_ratio": (ratios or {}).get(join, math.nan), "n_other_uses": len(join.other_edges)}
            for join, share in zip(self.joins, numbers, strict=True)
        ]
        return pd.DataFrame(rows, columns=COLUMNS)


COLUMNS = [
    *("join", "fork", "kind", "n_branches", "skip_sq", "branch_sq", "cross", "skip_share", "angle", "grad_norm"),
    *("branch_ratio", "n_other_uses", "status"),
]


@contextmanager
def measure_shares(joins: Iterable[Join]) -> Iterator[Shares]:
    """Measure the shares in the backward pass that runs inside; gradients stay as they are, to the last bit.

    Examples
    --------
    >>> from torch import nn
    >>> from gradflow.hooks.joins import find_joins
    >>> x = torch.tensor([[1.0, 2.0]], requires_grad=True)
    >>> y = x + nn.functional.linear(x, torch.tensor([[3.0, 0.0], [0.0, 3.0]], requires_grad=True))
    >>> with measure_shares(find_joins(y, x)) as shares:
    ...     y.sum().backward()
    >>> shares.frame()[["skip_sq", "branch_sq", "cross", "skip_share"]].round(4).values.tolist()
    [[0.0625, 0.5625, 0.375, 0.25]]
    """
    shares = Shares(joins)
    with on_shares(shares.joins, shares.note):
        yield shares


def share_of(skip: Tensor | None, branch: Tensor | None) -> Share | None:
    """Return the squares of both shares and of their sum, and their inner product, all in float64."""
    if skip is None and branch is None:
        return None
    first = torch.zeros_like(branch) if skip is None else skip  # type: ignore[arg-type]  # one of the two is a tensor
    second = torch.zeros_like(first) if branch is None else branch
    a, b = _flat(first), _flat(second)
    if a.device.type != "cpu":
        dtype = torch.float32 if a.device.type == "mps" else torch.float64
        return Share(*_products(a.to(dtype), b.to(dtype)))
    sums = [0.0, 0.0, 0.0, 0.0]
    for start in range(0, a.numel(), CHUNK):
        pieces = _products(a[start : start + CHUNK].double(), b[start : start + CHUNK].double())
        sums = [total + float(piece) for total, piece in zip(sums, pieces, strict=True)]
    return Share(*sums)


def _products(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    total = a + b
    return torch.dot(a, a), torch.dot(b, b), torch.dot(a, b), torch.dot(total, total)


def _flat(gradient: Tensor) -> Tensor:
    dense = gradient.detach().to_dense() if gradient.layout is not torch.strided else gradient.detach()
    return (torch.view_as_real(dense.resolve_conj()) if dense.is_complex() else dense).reshape(-1)


def _on_host(shares: list[Share | None]) -> list[Share | None]:
    """Return the numbers as floats, with one transfer for all that are on a device."""
    waiting = [value for share in shares if share is not None for value in vars(share).values()]
    tensors = [value for value in waiting if isinstance(value, Tensor)]
    moved = iter(torch.stack(tensors).tolist() if tensors else [])
    return [
        None
        if share is None
        else Share(*(next(moved) if isinstance(value, Tensor) else value for value in vars(share).values()))
        for share in shares
    ]


def _fractions(share: Share | None) -> dict[str, float | str]:
    nothing: dict[str, float | str] = dict.fromkeys(("skip_sq", "branch_sq", "cross", "skip_share", "angle"), math.nan)
    if share is None:
        return nothing | {"grad_norm": math.nan, "status": NO_GRADIENT}
    skip, branch, inner, total = (float(value) for value in vars(share).values())
    status = _status(skip, branch, total)
    found = nothing | {"grad_norm": math.sqrt(total) if total >= 0 else total, "status": status}
    if status in (MEASURED, ZERO_BRANCH, ZERO_SKIP):
        found |= {"skip_sq": skip / total, "branch_sq": branch / total, "cross": 2 * inner / total}
        found |= {"skip_share": (skip + inner) / total}
    if status in (MEASURED, CANCELLED):
        cosine = inner / math.sqrt(skip) / math.sqrt(branch)
        found["angle"] = math.degrees(math.acos(min(1.0, max(-1.0, cosine))))
    return found


def _status(skip: float, branch: float, total: float) -> str:
    if not (math.isfinite(skip) and math.isfinite(branch)):
        return NOT_FINITE
    if skip == branch == 0.0:
        return ZERO_GRADIENT
    if branch == 0.0:
        return ZERO_BRANCH
    if skip == 0.0:
        return ZERO_SKIP
    return CANCELLED if total == 0.0 else MEASURED
