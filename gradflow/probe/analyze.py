"""analyze_gradients(): what one batch's gradient does in a model, which is left exactly as it was."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gradflow.hooks import GradflowWarning, Recorder
from gradflow.hooks.attach import record, unwrapped
from gradflow.hooks.layers import LazyModelError, check_shapes
from gradflow.probe.analysis_value import Analysis
from gradflow.probe.batch import Batch
from gradflow.probe.loss import AnalysisError, LossFunction, error_share, loss_of
from gradflow.probe.preserved import left_as_found
from gradflow.probe.probabilities import certain_loss
from gradflow.probe.residual import Residual
from gradflow.probe.residual import residual as _residual
from gradflow.recording import CERTAIN_LOSS, EVERY_JOIN, Recording

FREED = "second time"  # in torch's message for a graph whose tensors were let go
REENTRANT = "Checkpointing is not compatible"  # in torch's message for torch.autograd.grad


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
    """Run one batch forward and backward, and return what was measured of its gradient.

    The model is left exactly as found, also after an exception: parameters, gradients, buffers, mode, hooks, random
    states. So are inputs and targets. The pass is made in the mode that the model is in (`model.train()` or
    `model.eval()`), with gradients enabled even under `torch.no_grad()`, and by the model itself where it is wrapped
    by `torch.compile` or `DistributedDataParallel`.

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
        At which of them shares are removed for the counterfactuals, and branches for lesions: a shell pattern of
        their names, such as `"layer3.*"`. All are measured.
    lesions : bool
        Measure the change of the loss with one block's branch removed (Veit et al. 2016, arXiv 1605.06431, section
        4.1), as the column `lesion` of `Analysis.skips`: one forward pass more for each join. In training mode batch
        norm takes the statistics of what is left; the paper uses `model.eval()`.
    twin : nn.Module, optional
        The same network built without skips, such as `cifar_net(family="plain")` beside "residual". It gets a pass of
        its own, and its gradient stands beside the model's: the activations, too, are then those without skips.

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
    Takes memory for one more copy of parameters and buffers, and for their gradients.

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
    _check(root)
    if not skips and (lesions or joins != EVERY_JOIN):
        raise AnalysisError(f"joins and lesions need skips=True; got skips=False, {joins=}, {lesions=}.")
    began, started = time.perf_counter(), datetime.now(UTC)
    with torch.enable_grad(), _eager(root):
        with left_as_found(root), _residual(root, is_wanted=skips, pattern=joins) as residual:
            recording = _analyzed(root, Batch(inputs), targets, loss_fn, residual)
        if lesions:  # only now, as their passes start from what this one started from
            compute_loss = partial(_loss_alone, root, inputs, targets, loss_fn)
            recording = residual.with_lesions(recording, root, compute_loss)
    meta = {"skips": skips, "joins": joins, "lesions": lesions}
    notes = meta | {"started": started.isoformat(timespec="seconds"), "wall_seconds": time.perf_counter() - began}
    found = Analysis(recording).with_meta(notes)
    if twin is None:
        return found
    return found.beside(analyze_gradients(twin, inputs, targets, loss_fn=loss_fn, skips=False))


def _analyzed(
    root: nn.Module, batch: Batch, targets: Any, loss_fn: LossFunction | None, residual: Residual
) -> Recording:
    """Return one recorded step: forward, loss, backward."""
    name = type(root).__name__
    meta: dict[str, Any] = {"experiment": "analyze", "inputs": batch.shapes, "mode": _mode(root)}
    parameters = [parameter for parameter in root.parameters() if parameter.requires_grad]
    with _recorder(root, name=name, meta=meta) as recorder:
        with residual.forward_watched():
            outputs = _forward(root, batch)
        residual.find(outputs, batch)
        loss, which = _loss(outputs, targets, loss_fn)
        meta |= which
        with residual.shares_measured():
            gradients = _gradients(loss, [*parameters, *batch.leaves], keep_graph=bool(residual.joins))
        if not any(gradient is not None for gradient in gradients[: len(parameters)]):
            raise AnalysisError("the loss depends on no parameter of the model: does loss_fn use the outputs?")
        for parameter, gradient in zip(parameters, gradients, strict=False):
            parameter.grad = gradient
        wrong = None if loss_fn is not None else error_share(outputs, targets)
        certain = certain_loss(outputs, targets, loss_fn)
        meta |= {} if certain is None else {CERTAIN_LOSS: certain}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GradflowWarning)  # an Analysis names what was not measured
            recorder.step(loss=loss, batch_error=wrong)
        of_inputs = gradients[len(parameters) :]
        is_reached = any(gradient is not None for gradient in of_inputs)
        residual.remove_shares(loss, batch.leaves if is_reached else parameters)
    norm = batch.gradient_norm(of_inputs)
    meta |= {"input_grad_norm": None if norm != norm else norm, "gradients": "of the loss of one batch"}
    meta["inputs_reached"] = is_reached if batch.leaves else None
    recording = recorder.recording
    # A recorder's own time says nothing here: the rest of the analysis is no training.
    kept = {
        name: value for name, value in recording.meta.items() if name not in ("recorder_seconds", "recorded_seconds")
    }
    tables = residual.tables(recording.layers)
    return replace(recording, **tables, meta={**kept, **meta})


def _recorder(root: nn.Module, *, name: str, meta: dict[str, Any]) -> Recorder:
    try:
        return record(root, statistics=True, weights=True, name=name, meta=meta)
    except ValueError as error:  # another recorder is attached
        raise AnalysisError(str(error)) from error


def _check(model: nn.Module) -> None:
    """Raise for a model, or a surrounding, in which no gradient can be computed."""
    name = type(model).__name__
    if torch.is_inference_mode_enabled():
        raise AnalysisError("gradients cannot be computed in torch.inference_mode(); call this outside of it.")
    try:
        check_shapes(model)
    except LazyModelError as error:
        raise AnalysisError(str(error)) from None
    tensors = [*model.parameters(), *model.buffers()]
    if any(tensor.is_inference() for tensor in tensors):
        raise AnalysisError(f"{name} was made in torch.inference_mode(), so it can have no gradient; make it outside.")
    if any(tensor.is_meta for tensor in tensors):
        raise AnalysisError(f"{name} has parameters on the device 'meta', which hold no numbers; load them first.")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise AnalysisError(f"{name} has no parameter that requires a gradient; nothing to analyze.")


def _mode(model: nn.Module) -> str:
    modes = {module.training for module in model.modules()}
    return "mixed" if len(modes) > 1 else "train" if modes == {True} else "eval"


@contextmanager
def _eager(model: nn.Module) -> Iterator[None]:
    """Run compiled parts of a model uncompiled inside the block: hooks do not fire in compiled code."""
    is_compiled = any(hasattr(module, "_orig_mod") or module._compiled_call_impl for module in model.modules())
    with torch.compiler.set_stance("force_eager") if is_compiled else nullcontext():
        yield


def _forward(model: nn.Module, batch: Batch) -> Any:
    try:
        return model(*batch.args, **batch.kwargs)
    except Exception as error:
        given = ", ".join(batch.shapes) or "no tensor"
        if batch.is_of_integers and not any(isinstance(one, nn.Embedding | nn.EmbeddingBag) for one in model.modules()):
            raise AnalysisError(
                f"inputs are integers ({given}) and {type(model).__name__} has no embedding to look them up in; pass "
                "inputs.float()."
            ) from error
        raise AnalysisError(f"{type(model).__name__} failed on inputs {given}: {_in_a_line(error)}") from error


def _loss_alone(model: nn.Module, inputs: Any, targets: Any, loss_fn: LossFunction | None) -> Tensor:
    """Return the loss of one more forward pass on the same batch."""
    return loss_of(_forward(model, Batch(inputs)), targets, loss_fn)[0]


def _loss(outputs: Any, targets: Any, loss_fn: LossFunction | None) -> tuple[Tensor, dict[str, Any]]:
    try:
        loss, which = loss_of(outputs, targets, loss_fn)
    except AnalysisError:
        raise
    except Exception as error:
        raise AnalysisError(f"the loss failed: {_in_a_line(error)}") from error
    if not loss.requires_grad:
        raise AnalysisError("the loss depends on no parameter of the model: were its outputs detached?")
    return loss, which


def _gradients(loss: Tensor, wanted: list[Tensor], *, keep_graph: bool) -> list[Tensor | None]:
    """Return the gradients, through autograd.grad: hooks that step an optimizer in the backward pass do not run."""
    try:
        return list(torch.autograd.grad(loss, wanted, allow_unused=True, retain_graph=keep_graph))
    except RuntimeError as error:
        if FREED in str(error):
            raise AnalysisError(
                "the backward pass ran into a graph that was freed before: detach what the model, the targets or the "
                "loss keep from an earlier pass, such as a hidden state."
            ) from error
        if REENTRANT in str(error):
            raise AnalysisError(
                "the model checkpoints with use_reentrant=True, which hides its inside; use use_reentrant=False."
            ) from error
        raise AnalysisError(f"the backward pass failed: {_in_a_line(error)}") from error


def _in_a_line(error: Exception) -> str:
    """Return an error's kind and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
