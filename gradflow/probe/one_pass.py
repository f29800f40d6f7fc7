"""One batch forward and backward through a model, with what can go wrong said in one line."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

import pandas as pd
import torch
from torch import Tensor, nn

from gradflow.hooks import GradflowWarning, Recorder
from gradflow.hooks.attach import record
from gradflow.hooks.joins import Join
from gradflow.hooks.layers import LazyModelError, check_shapes
from gradflow.probe.batch import Batch
from gradflow.probe.loss import AnalysisError, LossFunction, error_share, loss_of
from gradflow.probe.probability_outputs import certain_loss
from gradflow.recording import CERTAIN_LOSS, Recording
from gradflow.text import text

FREED = "second time"  # in torch's message for a graph whose tensors were let go
REENTRANT = "Checkpointing is not compatible"  # in torch's message for torch.autograd.grad


class Watch(Protocol):
    """What is looked at in a pass beside layers and parameters.

    `joins` keep the graph alive if there are any; `forward_watched` is around the forward pass, `find` is called behind
    it, `shares_measured` is around the backward pass and `remove_shares` behind it; `tables` are of the recording.
    """

    joins: list[Join]

    def forward_watched(self) -> AbstractContextManager[None]: ...  # noqa: D102
    def find(self, outputs: Any, batch: Batch) -> None: ...  # noqa: D102
    def shares_measured(self) -> AbstractContextManager[None]: ...  # noqa: D102
    def remove_shares(self, loss: Tensor, wanted: Sequence[Tensor]) -> None: ...  # noqa: D102
    def tables(self, layers: pd.DataFrame) -> dict[str, pd.DataFrame]: ...  # noqa: D102


def analyzed(root: nn.Module, batch: Batch, targets: Any, loss_fn: LossFunction | None, watch: Watch) -> Recording:
    """Return one recorded step: forward, loss, backward."""
    name = type(root).__name__
    meta: dict[str, Any] = {"experiment": "analyze", "inputs": batch.shapes, "mode": _mode(root)}
    parameters = [parameter for parameter in root.parameters() if parameter.requires_grad]
    with _recorder(root, name=name, meta=meta) as recorder:
        with watch.forward_watched():
            outputs = forward(root, batch)
        watch.find(outputs, batch)
        loss, which = _loss(outputs, targets, loss_fn)
        meta |= which
        with watch.shares_measured():
            gradients = _gradients(loss, [*parameters, *batch.leaves], keep_graph=bool(watch.joins))
        if not any(gradient is not None for gradient in gradients[: len(parameters)]):
            raise AnalysisError(text("error.analyze.unused"))
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
        watch.remove_shares(loss, batch.leaves if is_reached else parameters)
    norm = batch.gradient_norm(of_inputs)
    meta |= {"input_grad_norm": None if norm != norm else norm, "gradients": "of the loss of one batch"}
    meta["inputs_reached"] = is_reached if batch.leaves else None
    recording = recorder.recording
    # A recorder's own time says nothing here: the rest of the analysis is no training.
    kept = {
        name: value for name, value in recording.meta.items() if name not in ("recorder_seconds", "recorded_seconds")
    }
    tables = watch.tables(recording.layers)
    return recording.having(**tables, meta={**kept, **meta})


def _recorder(root: nn.Module, *, name: str, meta: dict[str, Any]) -> Recorder:
    try:
        return record(root, statistics=True, weights=True, name=name, meta=meta)
    except ValueError as error:  # another recorder is attached
        raise AnalysisError(str(error)) from error


def check(model: nn.Module) -> None:
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
        raise AnalysisError(text("error.analyze.nothing", name=name))


def _mode(model: nn.Module) -> str:
    modes = {module.training for module in model.modules()}
    return "mixed" if len(modes) > 1 else "train" if modes == {True} else "eval"


@contextmanager
def eager(model: nn.Module) -> Iterator[None]:
    """Run compiled parts of a model uncompiled inside the block: hooks do not fire in compiled code."""
    is_compiled = any(hasattr(module, "_orig_mod") or module._compiled_call_impl for module in model.modules())
    with torch.compiler.set_stance("force_eager") if is_compiled else nullcontext():
        yield


def forward(model: nn.Module, batch: Batch) -> Any:
    """Return what the model makes of a batch, or raise AnalysisError with what went wrong."""
    try:
        return model(*batch.args, **batch.kwargs)
    except Exception as error:
        given = ", ".join(batch.shapes) or "no tensor"
        if batch.is_of_integers and not any(isinstance(one, nn.Embedding | nn.EmbeddingBag) for one in model.modules()):
            line = text("error.analyze.integers", shapes=given, name=type(model).__name__)
            raise AnalysisError(line) from error
        line = text("error.analyze.failed", name=type(model).__name__, shapes=given, reason=_in_a_line(error))
        raise AnalysisError(line) from error


def _loss(outputs: Any, targets: Any, loss_fn: LossFunction | None) -> tuple[Tensor, dict[str, Any]]:
    try:
        loss, which = loss_of(outputs, targets, loss_fn)
    except AnalysisError:
        raise
    except Exception as error:
        raise AnalysisError(text("error.analyze.loss_failed", reason=_in_a_line(error))) from error
    if not loss.requires_grad:
        raise AnalysisError(text("error.analyze.detached"))
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
        raise AnalysisError(text("error.analyze.backward_failed", reason=_in_a_line(error))) from error


def _in_a_line(error: Exception) -> str:
    """Return an error's kind and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
