"""analyze_gradients(): what one batch's gradient does in a model, which is left exactly as it was."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gradflow.hooks.attach import unwrapped
from gradflow.probe.analysis_value import Analysis
from gradflow.probe.batch import Batch
from gradflow.probe.loss import AnalysisError, LossFunction, loss_of
from gradflow.probe.one_pass import analyzed, check, eager, forward
from gradflow.probe.preserved import left_as_found
from gradflow.probe.residual import residual as _residual
from gradflow.recording import EVERY_JOIN


def analyze_gradients(
    model: nn.Module,
    inputs: Any,
    targets: Any = None,
    *,
    loss_fn: LossFunction | None = None,
    skips: bool = True,
    joins: str = EVERY_JOIN,
    lesions: bool = False,
    twin: nn.Module | None = None,
) -> Analysis:
    """Run one batch forward and backward, and measure its gradient in every layer.

    The model is left exactly as found, also after an exception: parameters, gradients, buffers, mode, hooks, random
    states. So are inputs and targets. The pass runs in the model's current mode (`model.train()` or
    `model.eval()`), with gradients enabled even under `torch.no_grad()`, and without the wrapper if the model is
    wrapped by `torch.compile` or `DistributedDataParallel`.

    Parameters
    ----------
    model : nn.Module
        Any model that runs on the batch.
    inputs : tensor, tuple, dict or any object
        What the model is called with: a tuple gives positional arguments, a dict keyword arguments.
    targets : optional
        Class indices, (batch, ...) for outputs (batch, classes, ...) or (batch, ..., classes): the loss is their
        cross-entropy. Where both fit, outputs of three axes are (batch, tokens, classes). Floating-point numbers of
        the output's shape: mean squared error. Whatever `loss_fn` takes.
        None: the model's own loss where it returns one as `.loss`, or the mean over the batch of <r, output> with r
        standard normal and fixed. `meta["loss"]` says which.
    loss_fn : callable, optional
        Called as `loss_fn(outputs, targets)`, without targets as `loss_fn(outputs)`; returns one number.
    skips : bool
        Measure the residual connections too: see `Analysis.skips` and `Analysis.counterfactuals`.
    joins : str
        The joins at which shares are removed for the counterfactuals, and branches for lesions: a shell pattern for
        their names, such as `"layer3.*"`; an empty pattern for none, which saves two backward passes. All joins are
        measured.
    lesions : bool
        Measure the change of the loss with one block's branch removed (Veit et al. 2016, arXiv 1605.06431, section
        4.1), as the column `lesion` of `Analysis.skips`: one forward pass more for each join. In training mode,
        batch norm uses the statistics of the remaining network; the paper uses `model.eval()`.
    twin : nn.Module, optional
        The same network built without skips, such as `cifar_net(family="plain")` beside "residual". It has its own
        pass, and its gradient is shown beside the model's; its activations are those without skips too.

    Returns
    -------
    Analysis
        Prints as tables; its `recording` is what every other part of gradflow takes.

    Raises
    ------
    AnalysisError
        Model, batch or loss cannot be analyzed. The message is one line and says what to do.

    Notes
    -----
    Needs memory for one more copy of parameters and buffers, and for their gradients.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> found = analyze_gradients(model, torch.ones(2, 4), torch.tensor([0, 2]))
    >>> found.recording.layers.layer.tolist()
    ['0', '1', '2']
    >>> model[0].weight.grad is None
    True
    """
    if not isinstance(model, nn.Module):
        raise AnalysisError(f"model must be a torch.nn.Module; got {type(model).__name__}.")
    root = unwrapped(model)
    check(root)
    if not skips and (lesions or joins != EVERY_JOIN):
        raise AnalysisError(f"joins and lesions need skips=True; got skips=False, {joins=}, {lesions=}.")
    began, started = time.perf_counter(), datetime.now(UTC)
    with torch.enable_grad(), eager(root):
        with left_as_found(root), _residual(root, is_wanted=skips, pattern=joins) as residual:
            recording = analyzed(root, Batch(inputs), targets, loss_fn, residual)
        if lesions:  # only now, as their passes start from what this one started from
            compute_loss = partial(_loss_alone, root, inputs, targets, loss_fn)
            recording = residual.with_lesions(recording, root, compute_loss)
    meta = {"skips": skips, "joins": joins, "lesions": lesions}
    notes = meta | {"started": started.isoformat(timespec="seconds"), "wall_seconds": time.perf_counter() - began}
    found = Analysis(recording).with_meta(notes)
    if twin is None:
        return found
    return found.beside(analyze_gradients(twin, inputs, targets, loss_fn=loss_fn, skips=False))


def has_joins(model: nn.Module, inputs: Any) -> bool:
    """Whether a model has residual connections, by one forward pass that leaves it exactly as found.

    Raises
    ------
    AnalysisError
        As by `analyze_gradients`.

    Examples
    --------
    >>> has_joins(nn.Linear(4, 4), torch.ones(2, 4))
    False
    """
    check(model)
    batch = Batch(inputs)
    with torch.enable_grad(), left_as_found(model), _residual(model, is_wanted=True) as residual:
        residual.find(forward(model, batch), batch)
        return bool(residual.joins)


def _loss_alone(model: nn.Module, inputs: Any, targets: Any, loss_fn: LossFunction | None) -> Tensor:
    """Return the loss of one more forward pass on the same batch."""
    return loss_of(forward(model, Batch(inputs)), targets, loss_fn)[0]
