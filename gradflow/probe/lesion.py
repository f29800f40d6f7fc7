"""Block lesion: what the loss becomes when one residual branch is taken out of the trained model.

Veit, Wilber and Belongie 2016 (arXiv 1605.06431), section 4.1: deleting any one block of a trained residual network
hardly changes its error, deleting one layer of a plain one ruins it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from gradflow.hooks.additions import Additions, WithoutTerms
from gradflow.hooks.joins import CONCATENATION, Join
from gradflow.probe.preserved import left_as_found

MEASURED = "measured"
NOT_SEEN = "addition not seen"  # in compiled or scripted code, or by another function than an addition
NO_ADDITION = "no addition"  # a concatenation has no term that could be left out
NOT_REPEATED = "not repeated"  # the second pass made other additions than the first


def lesions(
    model: nn.Module, compute_loss: Callable[[], Tensor], joins: Iterable[Join], additions: Additions
) -> pd.DataFrame:
    """Return one row per join: `join`, `loss` without its branches, `change` against the whole model's loss, `status`.

    Costs one forward pass without gradients for each join, and one for the whole model. Every pass starts from the
    model as it is now, random state included, so that dropout draws the same. The model is left as found.

    `compute_loss` runs the model on the batch that `find_joins` found the joins on, and returns one number.
    Normalisation in train mode takes the lesioned batch's statistics; Veit et al. use eval mode. `additions` is the
    context in which the joins' forward pass ran, from the same random state.

    Examples
    --------
    >>> from gradflow.hooks.calls import ModuleCalls
    >>> from gradflow.hooks.joins import find_joins
    >>> class Block(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layer = nn.Linear(2, 2)
    ...     def forward(self, x):
    ...         return x + self.layer(x)
    >>> model = nn.Sequential(nn.Linear(2, 2), Block())
    >>> inputs = torch.ones(4, 2)
    >>> with ModuleCalls(model) as calls, Additions() as additions:
    ...     outputs = model(inputs)
    >>> joins = find_joins(outputs, inputs, calls)
    >>> lesions(model, lambda: model(inputs).square().mean(), joins, additions)[["join", "status"]].values.tolist()
    [['1', 'measured']]
    """
    with left_as_found(model), torch.no_grad():
        whole = _loss(model, compute_loss)
        rows = [_row(model, compute_loss, join, additions, whole) for join in joins]
    return pd.DataFrame(rows, columns=["join", "loss", "change", "status"])


def _row(
    model: nn.Module, compute_loss: Callable[[], Tensor], join: Join, additions: Additions, whole: float
) -> dict[str, object]:
    terms = _terms(join, additions)
    if not terms:
        status = NO_ADDITION if join.kind == CONCATENATION else NOT_SEEN
        return {"join": join.name, "loss": float("nan"), "change": float("nan"), "status": status}
    mode = WithoutTerms(terms)
    with mode:
        loss = _loss(model, compute_loss)
    if mode.n_changed != len(terms):
        return {"join": join.name, "loss": float("nan"), "change": float("nan"), "status": NOT_REPEATED}
    return {"join": join.name, "loss": loss, "change": loss - whole, "status": MEASURED}


def _terms(join: Join, additions: Additions) -> dict[int, Sequence[int]]:
    """Return the operands to leave out by the number of their addition; nothing if one of them was not seen."""
    terms: dict[int, list[int]] = defaultdict(list)
    for operand in join.branch_operands:
        number = additions.number(operand)
        if number is None:
            return {}
        terms[number].append(operand.place)
    return dict(terms)


def _loss(model: nn.Module, compute_loss: Callable[[], Tensor]) -> float:
    with left_as_found(model):
        return float(compute_loss())
