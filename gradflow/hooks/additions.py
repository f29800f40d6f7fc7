"""The additions of a forward pass as Python makes them: the size of what is added up, and what is left without a term.

The autograd graph knows which additions are residual joins but keeps none of their operands. A mode of
`torch.overrides` sees each addition while its operands are at hand; the graph node of its result tells later which of
them were joins, and its number in the pass finds it again in a second pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from gradflow.hooks.graph import Node
from gradflow.hooks.joins import CONCATENATION, Join, Operand
from gradflow.hooks.norms import Scalar, l2_norm

_PLAIN = frozenset({"add", "__add__", "__radd__", "sub", "subtract", "__sub__", "__rsub__", "rsub"})
_IN_PLACE = frozenset({"add_", "__iadd__", "sub_", "subtract_", "__isub__"})
_PRODUCT = frozenset({"addcmul", "addcmul_"})  # self + value * a * b


@dataclass(frozen=True)
class _Addition:
    """One addition: its number in the pass, and the norms of its operands where they were taken."""

    number: int
    norms: tuple[Scalar, ...]


class Additions(TorchFunctionMode):
    """A context for one forward pass, in which the operands of additions are measured.

    Operands of different shapes are left out: such an addition is no residual join. Additions inside scripted or
    compiled code are not seen.

    Examples
    --------
    >>> from gradflow.hooks.joins import find_joins
    >>> x = torch.tensor([[3.0, 4.0]], requires_grad=True)
    >>> with Additions() as additions:
    ...     y = x + torch.nn.functional.linear(x, torch.tensor([[0.5, 0.0], [0.0, 0.5]], requires_grad=True))
    >>> list(additions.ratios(find_joins(y, x)).values())
    [0.5]
    """

    def __init__(self) -> None:
        super().__init__()
        self._n_seen = 0
        self._seen: dict[Node, _Addition] = {}

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Measure the operands of an addition, then let it go on."""
        kwargs = kwargs or {}
        if not is_addition(function):
            return function(*args, **kwargs)
        number = self._n_seen
        self._n_seen += 1
        norms = _norms(function, args, kwargs) if torch.is_grad_enabled() else ()  # before it works in place
        result = function(*args, **kwargs)
        if norms and result.grad_fn is not None:
            is_written = _name(function) in _IN_PLACE and result._base is not None  # a view: its base has the node
            self._seen[result._base.grad_fn if is_written else result.grad_fn] = _Addition(number, norms)
        return result

    def ratios(self, joins: Iterable[Join]) -> dict[Join, float]:
        """Return |F(x)| / |x| for each join: the branches' sum against the skip, as the join adds them up.

        How near a block is to the identity (He et al. 2016, arXiv 1512.03385, section 3.1 and figure 7). NaN for
        concatenations, for additions that were not seen, and where the skip is added to one branch before the other.
        """
        return {join: self._ratio(join) for join in joins}

    def number(self, operand: Operand) -> int | None:
        """Return the number of the addition that adds an operand, None if it was not seen."""
        addition = self._seen.get(operand.node)
        return None if addition is None else addition.number

    def _ratio(self, join: Join) -> float:
        addition = self._seen.get(join.node)
        if join.kind == CONCATENATION or addition is None or join.skip_operand.node != join.node:
            return math.nan
        skip = float(addition.norms[join.skip_operand.place])
        branch = float(addition.norms[1 - join.skip_operand.place])
        return branch / skip if skip else (math.inf if branch else math.nan)


class WithoutTerms(TorchFunctionMode):
    """A context for a second forward pass, in which some terms of some additions are zero.

    Parameters
    ----------
    terms : mapping of int to sequence of int
        By the number of an addition in the pass, which of its operands are left out.
    """

    def __init__(self, terms: Mapping[int, Sequence[int]]) -> None:
        super().__init__()
        self._terms = terms
        self._n_seen = 0
        self.n_changed = 0

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Replace the terms that are left out by zeros."""
        kwargs = kwargs or {}
        if is_addition(function):
            operands = self._terms.get(self._n_seen, ())
            self._n_seen += 1
            if operands:
                args = _with_zeros(function, args, operands)
                self.n_changed += 1
        return function(*args, **kwargs)


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", "")


def is_addition(function: Callable[..., Any]) -> bool:
    """Whether a function of PyTorch adds or subtracts."""
    return _name(function) in _PLAIN | _IN_PLACE | _PRODUCT


def works_in_place(function: Callable[..., Any]) -> bool:
    """Whether an addition writes into its first operand."""
    return _name(function) in _IN_PLACE | {"addcmul_"}


def _norms(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Scalar, ...]:
    """Return the norms of both terms as they are added; none for operands of different shapes."""
    if not all(isinstance(arg, Tensor) for arg in args) or len(args) != (3 if _name(function) in _PRODUCT else 2):
        return ()
    if args[0].shape != args[1].shape and _name(function) not in _PRODUCT:
        return ()
    first, *rest = (arg.detach() for arg in args)
    second = rest[0] * rest[1] if len(rest) == 2 else rest[0]
    if second.shape != first.shape or not (first.is_floating_point() and second.is_floating_point()):
        return ()
    factor = kwargs.get("alpha", kwargs.get("value", 1))
    return l2_norm(first), l2_norm(second) * abs(factor)


def _with_zeros(function: Callable[..., Any], args: tuple[Any, ...], operands: Sequence[int]) -> tuple[Any, ...]:
    """Return the arguments with the chosen operands zero; an operand that is changed in place is zeroed in place."""
    changed = list(args)
    for operand in operands:
        if operand == 0 and works_in_place(function):
            changed[0].zero_()
        else:
            changed[operand] = torch.zeros_like(changed[operand])
    return tuple(changed)
