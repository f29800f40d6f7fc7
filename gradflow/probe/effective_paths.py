"""How long are the paths that the gradient takes? Its share by path length (Veit et al. 2016, arXiv 1605.06431)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from gradflow.analysis.intervals import mean_interval
from gradflow.analysis.paths import path_shares
from gradflow.errors import GradflowError
from gradflow.hooks.calls import ModuleCalls
from gradflow.hooks.joins import CONCATENATION, Join, find_joins
from gradflow.hooks.norms import l2_norm
from gradflow.probe.batch import Batch
from gradflow.probe.loss import LossFunction, loss_of
from gradflow.probe.preserved import left_as_found

SAMPLES = 10
Gradient = list[Tensor | None]  # one per input, None where none arrived


class PathsError(GradflowError):
    """A model whose paths cannot be told apart by their length."""


def effective_paths(
    model: nn.Module,
    inputs: Any,
    targets: Any = None,
    *,
    loss_fn: LossFunction | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how much of the gradient at the input comes through paths of each length.

    A path takes either the skip or the branch of each residual block; its length is the number of branches. The
    model, which may be any whose residual blocks follow each other, is left exactly as it was found.

    Parameters
    ----------
    model : nn.Module
        In the mode that matters.
    inputs, targets, loss_fn
        As in `gradflow.analyze_gradients`. Where no input is floating-point, the gradient is that at the first fork.
    samples : int
        Paths drawn of each length, at least 2; as many again are spent on the lengths whose mean matters most to the
        shares. Where a length has no more paths, each is taken once, and the mean is exact.
    seed : int
        Draws the paths.

    Returns
    -------
    DataFrame
        One row per length, 0 to the number of blocks: length; paths, how many there are; gradient, the mean
        L2 norm at the input of what comes through one of them, with low and high (Student's 95 % interval over n
        paths drawn; equal to the mean where all were taken); n; share, paths times gradient over the sum of it;
        signed_share, see below, exact.

    Raises
    ------
    PathsError
        There is no residual block, a block lies inside another or beside it, or one concatenates.

    Notes
    -----
    The norms are the paper's section 5: forward through the whole network, and backward through the branch alone in
    k blocks drawn at random and through the skip alone in the others. `share` is its count times its expected
    norm; norms do not add up, so it says how much flows and not how much arrives. In float32 a norm under 1e-45, as
    of very long paths, comes out as 0.

    What arrives does add up: G_k, the sum over all paths of length k, follows from one block to the one before by
    G_k <- G_k through the skip + G_(k-1) through the branch (dynamic programming, about half as many backward
    passes as there are blocks); the sum of all G_k is the gradient g, and signed_share is <G_k, g> / |g|².
    """
    if samples < 2:
        raise PathsError(f"samples must be at least 2; got {samples}.")
    with torch.inference_mode(False), torch.enable_grad(), left_as_found(model):
        batch = Batch(inputs)
        with ModuleCalls(model) as calls:
            outputs = model(*batch.args, **batch.kwargs)
        joins = find_joins(outputs, batch.leaves, calls)
        _check_chain(joins)
        loss, _ = loss_of(outputs, targets, loss_fn)
        with _Switches(joins) as switches:
            routes = _Routes(loss, joins, _places(batch.leaves, joins[0]), switches)
            norms = _norms(routes, samples, seed)
            signed = _signed_shares(routes.sums_by_length())
    rows = [_row(length, math.comb(len(joins), length), found, samples) for length, found in enumerate(norms)]
    frame = pd.DataFrame(rows)
    shares = path_shares(frame["gradient"])
    return frame.assign(share=shares, signed_share=signed)


def _places(leaves: Sequence[Tensor], first: Join) -> list[Tensor | GradientEdge]:
    """Return where gradients are read: at the floating-point inputs, or else at the first fork."""
    return list(leaves) or [GradientEdge(first.fork_node, first.fork_output)]


def _norms(routes: _Routes, samples: int, seed: int) -> list[list[float]]:
    """Return the norms of the gradients through paths of each length: all of them, or some drawn.

    First `samples` of each length; then as many again in all, where they narrow the shares most: in proportion to
    the number of paths times the deviation of their norms (Neyman 1934).
    """
    lengths = range(routes.n_blocks + 1)
    draws = [_Draws(routes.n_blocks, length, samples, seed) for length in lengths]
    norms = [[_norm(routes.along(next(one))) for _ in range(one.at_first)] for one in draws]
    spread = [0.0 if one.is_all else float(np.std(found, ddof=1)) for one, found in zip(draws, norms, strict=True)]
    weights = np.nan_to_num(path_shares(spread))
    more = np.round(samples * len(draws) * weights).astype(int)
    for one, found, count in zip(draws, norms, more, strict=True):
        found += [_norm(routes.along(next(one))) for _ in range(count)]
    return norms


class _Draws:
    """Paths of one length: each once if there are no more than wanted, otherwise at random for ever."""

    def __init__(self, n_blocks: int, length: int, samples: int, seed: int) -> None:
        self.n_paths = math.comb(n_blocks, length)
        self.is_all = self.n_paths <= samples
        self.at_first = min(self.n_paths, samples)
        self._every = combinations(range(n_blocks), length)
        self._random = np.random.default_rng((seed, length))
        self._shape = (n_blocks, length)

    def __next__(self) -> frozenset[int]:
        """Return the blocks in which the next path takes the branch."""
        return frozenset(
            next(self._every) if self.is_all else self._random.choice(*self._shape, replace=False).tolist()
        )


def _row(length: int, n_paths: int, norms: list[float], samples: int) -> dict[str, float]:
    found = mean_interval(norms)
    low, high = (found.mean, found.mean) if n_paths <= samples else (found.low, found.high)
    return {
        "length": length,
        "paths": float(n_paths),
        "gradient": found.mean,
        "low": low,
        "high": high,
        "n": found.n,
    }


def _norm(gradient: Gradient) -> float:
    return math.hypot(*(float(l2_norm(one)) for one in gradient if one is not None))


def _signed_shares(sums: list[Gradient]) -> list[float]:
    """Return <G_k, g> / |g|² of each length k; NaN if g is 0."""
    flat = torch.stack(
        [torch.cat([one.detach().double().flatten() for one in _filled(sums, k)]) for k in range(len(sums))]
    )
    total = flat.sum(dim=0)
    return [float(value) for value in (flat @ total) / total.square().sum()]


def _filled(sums: list[Gradient], k: int) -> list[Tensor]:
    """Return the gradient of a length with zeros where none arrived, in the shapes of those that did."""
    shapes = [next((one[place] for one in sums if one[place] is not None), None) for place in range(len(sums[k]))]
    pairs = zip(sums[k], shapes, strict=True)
    return [torch.zeros_like(shape) if one is None else one for one, shape in pairs if shape is not None]


class _Switches:
    """Hooks on the additions, by which the backward pass takes the skip alone, the branch alone, or both."""

    def __init__(self, joins: Sequence[Join]) -> None:
        self.open: dict[int, bool] = {}  # by block: True for the branch alone, False for the skip; both if absent
        self._places: dict[Any, dict[int, tuple[int, bool]]] = {}
        for block, join in enumerate(joins):
            self._note(join.skip_operand, block, is_branch=False)
            for operand in join.branch_operands:
                self._note(operand, block, is_branch=True)

    def _note(self, operand: Any, block: int, *, is_branch: bool) -> None:
        self._places.setdefault(operand.node, {})[operand.place] = (block, is_branch)

    def __enter__(self) -> _Switches:
        self._handles = [node.register_hook(self._hook(places)) for node, places in self._places.items()]
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _hook(self, places: dict[int, tuple[int, bool]]) -> Any:
        def drop(grad_inputs: tuple[Tensor | None, ...], _: Any) -> tuple[Tensor | None, ...]:
            # None, and not zeros: autograd then leaves out what lies behind, and short paths cost little.
            return tuple(None if self._is_shut(places, place) else one for place, one in enumerate(grad_inputs))

        return drop

    def _is_shut(self, places: dict[int, tuple[int, bool]], place: int) -> bool:
        block, is_branch = places.get(place, (-1, False))
        return block in self.open and self.open[block] is not is_branch

    @contextmanager
    def only(self, choices: dict[int, bool]) -> Iterator[None]:
        """Take the given ways inside the block of code."""
        self.open = choices
        try:
            yield
        finally:
            self.open = {}


@dataclass(frozen=True, eq=False)
class _Routes:
    """The ways from a loss back to the input through a chain of residual blocks; keeps the graph alive."""

    loss: Tensor
    joins: Sequence[Join]
    places: Sequence[Tensor | GradientEdge]
    switches: _Switches

    @property
    def n_blocks(self) -> int:
        return len(self.joins)

    def along(self, branches: frozenset[int]) -> Gradient:
        """Return the gradient through one path: the branch in these blocks, the skip in the others."""
        with self.switches.only({block: block in branches for block in range(self.n_blocks)}):
            return self._back(self.loss, None, self.places)

    def sums_by_length(self) -> list[Gradient]:
        """Return the sum of the gradients through all paths of each length, from 0 to the number of blocks."""
        ends = [GradientEdge(join.node, 0) for join in self.joins]
        sums = [self._back(self.loss, None, [ends[-1]])]
        for block in reversed(range(self.n_blocks)):
            behind: Sequence[Tensor | GradientEdge] = [ends[block - 1]] if block else self.places
            skipped = [self._through(block, one, behind, branch=False) for one in sums]
            branched = [self._through(block, one, behind, branch=True) for one in sums]
            nothing: Gradient = [None] * len(behind)
            pairs = zip([*skipped, nothing], [nothing, *branched], strict=True)
            sums = [[_sum(a, b) for a, b in zip(first, second, strict=True)] for first, second in pairs]
        return sums

    def _through(
        self, block: int, gradient: Gradient, behind: Sequence[Tensor | GradientEdge], *, branch: bool
    ) -> Gradient:
        """Return what a gradient at one block's output is at the places before it, through one of its two ways."""
        if gradient[0] is None:
            return [None] * len(behind)
        with self.switches.only({block: branch}):
            return self._back(GradientEdge(self.joins[block].node, 0), gradient[0], behind)

    @staticmethod
    def _back(start: Tensor | GradientEdge, gradient: Tensor | None, places: Sequence[Any]) -> Gradient:
        found = torch.autograd.grad(start, tuple(places), gradient, retain_graph=True, allow_unused=True)
        return list(found)


def _sum(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second


def _check_chain(joins: Sequence[Join]) -> None:
    """Raise PathsError unless each block begins where the one before has ended."""
    if not joins:
        raise PathsError("the model has no residual block, so the gradient has one path: there is nothing to compare.")
    for join in joins:
        if join.kind == CONCATENATION:
            raise PathsError(f"{join.name} concatenates; paths have a length where blocks add.")
    for before, after in pairwise(joins):
        if not _leads_back(after.fork_node, before.node):
            raise PathsError(
                f"residual blocks must follow each other; {after.name} begins before {before.name} has ended."
            )


def _leads_back(start: Any, end: Any) -> bool:
    """Whether the tensor made by a node is computed from that made by another."""
    seen, stack = set(), [start]
    while stack:
        node = stack.pop()
        if node is end:
            return True
        if node is None or node in seen:
            continue
        seen.add(node)
        stack.extend(parent for parent, _ in node.next_functions)
    return False
