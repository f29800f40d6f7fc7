"""The first update, tried on a copy: what it does to the loss of its own batch."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from gradflow.probe.batch import Batch
from gradflow.probe.loss import LossFunction, loss_of
from gradflow.probe.trial import check_optimizer, copies

SHARES = (1.0, 0.1)  # of the learning rate that are tried, the second where the loss rises; each is a forward pass


def first_update(
    model: nn.Module,
    inputs: Any,
    targets: Any,
    loss_fn: LossFunction | None,
    *,
    optimizer: Optimizer | None,
    lr: float | None,
    before: float,
) -> dict[str, float]:
    """Return what one update of a copy does to the loss of the same batch, carried on as far as momentum carries it.

    SGD with momentum m goes on by 1 / (1 - m) times the first update when gradients stay as they are; Adam does not. To
    be called with the gradients in `.grad`, and with the random state that the pass behind them began with.

    Keys are `lr`, `momentum`, 0 where there is none; the loss `before` and `after` the update; `fits`, a tenth of the
    learning rate where the loss falls there, NaN if it does not or was not tried because it falls already.
    """
    check_optimizer(model, optimizer, lr)
    twin, updates = copies(model, optimizer, lr)
    pairs = list(zip(model.parameters(), twin.parameters(), strict=True))
    for one, copied in pairs:
        copied.grad = None if one.grad is None else one.grad.clone()
    updates.step()
    starts = [one.detach() for one, _ in pairs]
    changes = [copied.detach() - start for start, (_, copied) in zip(starts, pairs, strict=True)]
    momentum = _momentum(updates)
    random = torch.get_rng_state()
    losses: list[float] = []
    for share in SHARES:
        with torch.no_grad():
            for start, change, (_, copied) in zip(starts, changes, pairs, strict=True):
                copied.copy_(start + share / (1 - momentum) * change)
            torch.set_rng_state(random)
            outputs = twin(*(batch := Batch(inputs)).args, **batch.kwargs)
            losses.append(float(loss_of(outputs, targets, loss_fn)[0]))
        if losses[-1] <= before:
            break
    rate = float(updates.param_groups[0]["lr"])
    falls = len(losses) > 1 and losses[-1] <= before
    fits = SHARES[len(losses) - 1] * rate if falls else math.nan
    return {"lr": rate, "momentum": momentum, "before": before, "after": losses[0], "fits": fits}


def _momentum(optimizer: Optimizer) -> float:
    """Return the momentum that carries updates on, 0 where there is none; at 1 they would never end."""
    momentum = optimizer.param_groups[0].get("momentum", 0.0)
    return float(momentum) if 0 < momentum < 1 else 0.0
