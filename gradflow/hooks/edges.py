"""Gradients on the edges of the autograd graph that lead to a fork: read, or removed, during a backward pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from gradflow.hooks.gradients import remove
from gradflow.hooks.joins import Edge, Join

SharesCallback = Callable[[Join, Tensor | None, Tensor | None], object]
Gradients = tuple[Tensor | None, ...]


@contextmanager
def on_shares(joins: Iterable[Join], callback: SharesCallback) -> Iterator[None]:
    """Call `callback(join, skip, branch)` with what comes back to each join's fork through its skip and its branches.

    To be entered after the forward pass; one backward pass goes inside. Both tensors have the fork's shape, and their
    sum is the gradient at the fork (other uses of the fork aside). None stands for a path that no gradient took. A
    call is made as soon as all of a join's paths have reported, and at the end for joins where some have not, so that
    no gradient is kept longer than needed. Gradients stay as they are, to the last bit.

    Parameters
    ----------
    joins : iterable of Join
        As `find_joins` returned them for the graph that is about to be walked.
    callback : callable
        Receives the join and the two shares, detached. It must not change them in place.

    Examples
    --------
    >>> from torch import nn
    >>> from gradflow.hooks.joins import find_joins
    >>> x = torch.tensor([[1.0, 2.0]], requires_grad=True)
    >>> y = x + nn.functional.linear(x, torch.tensor([[3.0, 0.0], [0.0, 3.0]], requires_grad=True))
    >>> with on_shares(find_joins(y, x), lambda join, skip, branch: print(skip.tolist(), branch.tolist())):
    ...     y.sum().backward()
    [[1.0, 1.0]] [[3.0, 3.0]]
    """
    gatherings = [_Gathering(join, callback) for join in joins]
    receivers: dict[Edge, list[tuple[_Gathering, bool]]] = defaultdict(list)
    for gathering in gatherings:
        receivers[gathering.join.skip_edge].append((gathering, True))
        for edge in gathering.join.branch_edges:
            receivers[edge].append((gathering, False))
    handles = [edge.node.register_hook(_Read(edge.slot, receiving)) for edge, receiving in receivers.items()]
    try:
        yield
        for gathering in gatherings:
            gathering.close()
    finally:
        remove(handles)


@contextmanager
def without_shares(*, skips: Iterable[Join] = (), branches: Iterable[Join] = ()) -> Iterator[None]:
    """Remove what comes back through the skips of some joins, or through the branches, from the backward passes inside.

    A counterfactual of the backward pass alone: activations and loss are those of the whole model, which is not
    edited. A branch's own parameters keep their gradient; what is removed is the branch's share at the fork. Call
    `backward` with `retain_graph=True` to walk the graph again.

    Parameters
    ----------
    skips, branches : iterable of Join
        The joins whose skip's (branches') share is set to zero. A join in both lets nothing through.

    Examples
    --------
    >>> from torch import nn
    >>> from gradflow.hooks.joins import find_joins
    >>> x = torch.tensor([[1.0, 2.0]], requires_grad=True)
    >>> y = x + nn.functional.linear(x, torch.tensor([[3.0, 0.0], [0.0, 3.0]], requires_grad=True))
    >>> with without_shares(skips=find_joins(y, x)):
    ...     y.sum().backward()
    >>> x.grad
    tensor([[3., 3.]])
    """
    edges = [join.skip_edge for join in skips] + [edge for join in branches for edge in join.branch_edges]
    handles: list[RemovableHandle] = [edge.node.register_hook(_Remove(edge.slot)) for edge in dict.fromkeys(edges)]
    try:
        yield
    finally:
        remove(handles)


class _Gathering:
    """The shares of one join, from the first that arrives to the last."""

    def __init__(self, join: Join, callback: SharesCallback) -> None:
        self.join = join
        self._callback = callback
        self._n_arrived = 0
        self._has_reported = False
        self._shares: dict[bool, Tensor] = {}  # the skip's under True

    def receive(self, gradient: Tensor | None, *, is_skip: bool) -> None:
        """Add one edge's gradient to its path's share."""
        self._n_arrived += 1
        if gradient is not None:
            share = gradient.detach()  # of the fork's shape and type: autograd sums and casts before the node's hooks
            self._shares[is_skip] = self._shares[is_skip] + share if is_skip in self._shares else share
        if self._n_arrived == 1 + len(self.join.branch_edges):
            self._report()

    def close(self) -> None:
        """Report what has arrived of a join that some paths brought nothing to."""
        if self._n_arrived or not self._has_reported:
            self._report()

    def _report(self) -> None:
        skip, branch = self._shares.pop(True, None), self._shares.pop(False, None)
        self._n_arrived = 0
        self._has_reported = True
        self._callback(self.join, skip, branch)


class _Read:
    """Hook of one node that hands on the gradient of one operand."""

    def __init__(self, slot: int, receivers: list[tuple[_Gathering, bool]]) -> None:
        self._slot = slot
        self._receivers = receivers

    def __call__(self, grad_inputs: Gradients, grad_outputs: Gradients) -> None:
        for gathering, is_skip in self._receivers:
            gathering.receive(grad_inputs[self._slot], is_skip=is_skip)


class _Remove:
    """Hook of one node that sets the gradient of one operand to zero."""

    def __init__(self, slot: int) -> None:
        self._slot = slot

    def __call__(self, grad_inputs: Gradients, grad_outputs: Gradients) -> Gradients:
        gradient = grad_inputs[self._slot]
        removed = None if gradient is None else torch.zeros_like(gradient)
        return (*grad_inputs[: self._slot], removed, *grad_inputs[self._slot + 1 :])
