"""A trial: a copy of the model is trained for a few updates, and what they show becomes a Recording."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from gradflow.errors import GradflowError
from gradflow.hooks import record, select_layers
from gradflow.hooks.gradients import remove, tensors_in
from gradflow.hooks.layers import is_container, is_weighted
from gradflow.probe.loss import LossFunction, error_share, loss_of
from gradflow.probe.preserved import left_as_found
from gradflow.recording import Recording

MOMENTUM = 0.9  # of the SGD that stands for an optimizer, if only a learning rate is given
ROUNDING = 1e-12  # of a mean of cosines in float64
SEVERAL = 2  # examples: one alone cannot be told from another
RECORDERS = "gradflow.hooks."  # where the hooks of recorders come from

Batches = list[tuple[Tensor, Tensor]]


class ForecastError(GradflowError):
    """A model, batch or optimizer that no forecast can be made of; the message is one line and says what to do."""


def try_training(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    optimizer: Optimizer | None = None,
    lr: float | None = None,
    loss_fn: LossFunction | None = None,
    batch_size: int = 64,
    moments: Collection[int] = (0, 10),
) -> Recording:
    """Train a copy of the model for a few updates and record what they show; the model stays as it was.

    Parameters
    ----------
    model : nn.Module
        In train mode. Hooks on its modules and parameters, and on the optimizer, run on the copies, so that gradients
        are clipped as in training; one that refers to the model by a variable works on the original, and has no effect.
    inputs, targets : Tensor
        A few batches, (n, ...) each, in the order they are to be used; a last short batch is dropped. They are
        used again from the start when they run out.
    optimizer : Optimizer, optional
        The optimizer of this model's parameters; it is copied with its state and settings.
    lr : float, optional
        In place of an optimizer: SGD with momentum 0.9 at this learning rate.
    loss_fn : callable, optional
        (outputs, targets) -> loss. Otherwise cross-entropy for class indices, mean squared error for real numbers.
    batch_size : int
        Examples an update; all of them, if there are fewer.
    moments : collection of int
        After how many updates to look closely; 0 is always one of them. The largest says how many updates are made.

    Returns
    -------
    Recording
        `layers` has rows at the moments, `steps` at every update; the last row's update is made too, and shows
        only in its `update_norm`. Columns of `steps` besides the usual ones, at the moments: `probe_loss` and
        `probe_error`, over all the examples, in train mode; `unlikeness`, 1 - the mean cosine of two samples at the
        input of the last weighted layer. Training stops at a loss that is not finite. `meta["chance_error"]` is
        the error of always naming the examples' most frequent class.

    Raises
    ------
    ForecastError
        An argument is out of its range, or the model cannot be copied.
    AnalysisError
        Outputs, targets and loss do not fit together.
    """
    _check(model, inputs, targets, batch_size)
    check_optimizer(model, optimizer, lr)
    due = frozenset(moments) | {0}
    meta = {
        "experiment": "forecast",
        "batch_size": min(batch_size, len(inputs)),
        "n_examples": len(inputs),
        "chance_error": chance_error(targets),
        "optimizer": "SGD" if optimizer is None else type(optimizer).__name__,
        "lr": lr if optimizer is None else float(optimizer.param_groups[0]["lr"]),
    }
    with torch.inference_mode(False), torch.enable_grad(), left_as_found(model):
        twin, updates = copies(model, optimizer, lr)
        batches = _batches(inputs, targets, batch_size)
        with (
            record(
                twin, optimizer=updates, weights=True, schedule=due.__contains__, name=type(model).__name__, meta=meta
            ) as recorder,
            _last_input(twin) as last,
        ):
            for step in range(max(due) + 1):
                x, y = batches[step % len(batches)]
                updates.zero_grad()
                outputs = _outputs(twin, x)
                loss = _loss(outputs, y, loss_fn)
                loss.backward()
                seen = {"unlikeness": unlikeness(last[0]), **_probe(twin, batches, loss_fn)} if step in due else {}
                recorder.step(loss=loss, batch_error=error_share(outputs, y), **seen)
                updates.step()
                if not math.isfinite(loss.item()):
                    break
    return recorder.recording


def _outputs(model: nn.Module, inputs: Tensor) -> Any:
    try:
        return model(inputs)
    except Exception as error:
        said = " ".join(str(error).split())
        raise ForecastError(f"{type(model).__name__} failed on inputs {tuple(inputs.shape)}: {said}") from error


def unlikeness(features: Tensor | None) -> float:
    """Return 1 - the mean cosine of two samples' features, (batch, ...); 0.0 if all are zero, NaN for one sample.

    Examples
    --------
    >>> unlikeness(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    1.0
    """
    if features is None or len(features) < SEVERAL:
        return math.nan
    flat = features.detach().double().flatten(1)
    lengths = flat.norm(dim=1, keepdim=True)
    if not lengths.any():
        return 0.0
    total = (flat / lengths.clamp_min(torch.finfo(torch.float64).tiny)).sum(0).square().sum().item()
    n = len(flat)
    value = 1.0 - (total - n) / (n * (n - 1))
    return 0.0 if -ROUNDING < value < 0 else value


def chance_error(targets: Tensor) -> float | None:
    """Return the error of always naming the most frequent class; None for targets that are no classes.

    Examples
    --------
    >>> chance_error(torch.tensor([0, 0, 0, 1]))
    0.25
    """
    if targets.is_floating_point() or targets.is_complex():
        return None
    return 1.0 - int(targets.unique(return_counts=True)[1].max()) / targets.numel()


def _check(model: nn.Module, inputs: Tensor, targets: Tensor, batch_size: int) -> None:
    """Raise ForecastError unless there are batches to train on."""
    if not isinstance(model, nn.Module):
        raise ForecastError(f"model must be an nn.Module; got {type(model).__name__}.")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ForecastError(f"{type(model).__name__} has no parameter that requires a gradient; nothing to train.")
    if not model.training:
        raise ForecastError("model is in eval mode, and the question is how it trains; call model.train() first.")
    for name, value in (("inputs", inputs), ("targets", targets)):
        if not isinstance(value, Tensor):
            raise ForecastError(f"{name} must be a tensor (n, ...); got {type(value).__name__}.")
        if not value.dim():
            raise ForecastError(f"{name} must be a tensor (n, ...); got a tensor without dimensions.")
    if len(inputs) != len(targets) or len(inputs) < SEVERAL:
        raise ForecastError(
            f"inputs and targets must be of one length, at least {SEVERAL}; got {len(inputs)} and {len(targets)}."
        )
    if batch_size < SEVERAL:
        raise ForecastError(f"batch_size must be at least {SEVERAL}; got {batch_size}.")


def check_optimizer(model: nn.Module, optimizer: Optimizer | None, lr: float | None) -> None:
    """Raise ForecastError unless it is known how the model is updated."""
    if (optimizer is None) == (lr is None):
        raise ForecastError("pass either optimizer, over this model's parameters, or lr.")
    if lr is not None and not 0 < lr < math.inf:
        raise ForecastError(f"lr must be a positive number; got {lr!r}.")
    if optimizer is not None:
        owned = set(model.parameters())
        if not any(parameter in owned for group in optimizer.param_groups for parameter in group["params"]):
            raise ForecastError("optimizer holds none of this model's parameters; make it of model.parameters().")


def copies(model: nn.Module, optimizer: Optimizer | None, lr: float | None) -> tuple[nn.Module, Optimizer]:
    """Return copies of both that belong to each other, with the hooks that they carry."""
    memo: dict[int, Any] = {}
    try:
        twin, updates = copy.deepcopy((model, optimizer), memo)  # one call, so that both hold the same parameters
    except (RuntimeError, TypeError) as error:
        raise ForecastError(f"{type(model).__name__} cannot be copied ({error}); pass a model made anew.") from error
    if updates is None:
        trained = [parameter for parameter in twin.parameters() if parameter.requires_grad]
        updates = SGD(trained, lr=lr or 0.0, momentum=MOMENTUM)
    for source, target in zip(model.parameters(), twin.parameters(), strict=True):
        for hook in _users_hooks(source._backward_hooks, memo):
            target.register_hook(hook)
        for hook in _users_hooks(source._post_accumulate_grad_hooks, memo):
            target.register_post_accumulate_grad_hook(hook)
    if optimizer is not None:
        for hook in _users_hooks(optimizer._optimizer_step_pre_hooks, memo):
            updates.register_step_pre_hook(hook)
        for hook in _users_hooks(optimizer._optimizer_step_post_hooks, memo):
            updates.register_step_post_hook(hook)
    return twin, updates


def _users_hooks(hooks: Mapping[int, Any] | None, memo: dict[int, Any]) -> list[Any]:
    """Return the hooks for a copy of what they are on; PyTorch copies those of modules alone.

    Gradients are often clipped in such hooks. A method of the model or the optimizer becomes one of its copy; hooks of
    recorders stay behind.
    """
    found = [] if hooks is None else list(hooks.values())
    return [copy.deepcopy(hook, memo) for hook in found if not _is_recorders(hook)]


def _is_recorders(hook: Any) -> bool:
    return str(getattr(hook, "__module__", "")).startswith(RECORDERS)


def _batches(inputs: Tensor, targets: Tensor, batch_size: int) -> Batches:
    """Return whole batches, in order, of copies: an ordinary tensor even of one made in inference mode."""
    size = min(batch_size, len(inputs))
    whole = len(inputs) - len(inputs) % size
    x, y = (part[:whole].clone().detach() for part in (inputs, targets))
    return list(zip(x.split(size), y.split(size), strict=True))


def _loss(outputs: Any, targets: Tensor, loss_fn: LossFunction | None) -> Tensor:
    loss, _ = loss_of(outputs, targets, loss_fn)
    if not loss.requires_grad:
        raise ForecastError("the loss depends on no parameter that requires a gradient; there is nothing to train.")
    return loss


@contextmanager
def _last_input(model: nn.Module) -> Iterator[list[Tensor | None]]:
    """Keep, as the list's one entry, the input of the weighted layer that was called last."""
    slot: list[Tensor | None] = [None]

    def keep(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        first = next(tensors_in((args, kwargs)), None)
        slot[0] = None if first is None else first.detach()

    layers = [module for module in select_layers(model).values() if is_weighted(module) and not is_container(module)]
    handles = [module.register_forward_pre_hook(keep, with_kwargs=True) for module in layers]
    try:
        yield slot
    finally:
        remove(handles)


def _probe(model: nn.Module, batches: Batches, loss_fn: LossFunction | None) -> dict[str, float]:
    """Return loss and error over all batches, in train mode."""
    losses, errors = [], []
    with torch.no_grad():
        for x, y in batches:
            outputs = model(x)
            losses.append(loss_of(outputs, y, loss_fn)[0].item())
            error = error_share(outputs, y)
            errors.append(math.nan if error is None else error)
    return {"probe_loss": sum(losses) / len(losses), "probe_error": sum(errors) / len(errors)}
