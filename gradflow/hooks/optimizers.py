"""Where gradients are read: what an optimizer or a gradient scaler has done to them by then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from gradflow.hooks.norms import Scalar

OnStep = Callable[[Optimizer], object]


class OptimizerHooks:
    """Calls back before and after each step of an optimizer.

    `keep(optimizer)` comes before the step changes anything. `before(optimizer)` sees the gradients that the step uses:
    accumulated, reduced, clipped. With a closure (LBFGS) they exist only after the step, so `before` is then called
    right before `after`.
    """

    def __init__(self, optimizers: Iterable[Optimizer], keep: OnStep, before: OnStep, after: OnStep) -> None:
        self._keep = keep
        self._before = before
        self._after = after
        self._handles: list[RemovableHandle] = []
        for optimizer in optimizers:
            self._handles.append(optimizer.register_step_pre_hook(self._pre))
            self._handles.append(optimizer.register_step_post_hook(self._post))

    def remove(self) -> None:
        """Remove the hooks; twice is as good as once."""
        for handle in self._handles:
            handle.remove()

    def _pre(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._keep(optimizer)
        if not _has_closure(args, kwargs):
            self._before(optimizer)

    def _post(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if _has_closure(args, kwargs):
            self._before(optimizer)
        self._after(optimizer)


def _has_closure(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    # args holds the optimizer itself first.
    return kwargs.get("closure") is not None or any(callable(arg) and not isinstance(arg, Optimizer) for arg in args)


def rate(value: object) -> Scalar:
    """Return a group's learning rate: a number, or a tensor where the optimizer runs on the device."""
    return _scalar(value) if isinstance(value, Tensor) else float(value)  # type: ignore[arg-type]  # a number by contract


def scale_of_outputs(scaler: torch.amp.GradScaler | None) -> Scalar:
    """Return the factor by which a scaler's loss, and so every gradient at an output, is too large."""
    if scaler is None or not scaler.is_enabled():
        return 1.0
    scale = scaler._scale
    return 1.0 if scale is None else _scalar(scale)


def scale_where_used(optimizer: Optimizer) -> Scalar:
    """Return the factor by which the gradients in `.grad` are too large where an optimizer uses them.

    A scaler has unscaled them by then, except for a fused optimizer, which divides inside its kernel and carries the
    factor as `grad_scale`.
    """
    carried = getattr(optimizer, "grad_scale", None)
    return _scalar(carried) if isinstance(carried, Tensor) else 1.0


def scale_after_backward(scaler: torch.amp.GradScaler | None, optimizer: Optimizer | None) -> Scalar:
    """Return the factor by which an optimizer's gradients are too large before it steps.

    The scaler's, unless `unscale_` was called for the optimizer; for any optimizer, where it is not known which.
    """
    if scaler is None:
        return 1.0
    states = scaler._per_optimizer_states
    of_interest = states.values() if optimizer is None else [states.get(id(optimizer), {})]
    if any(getattr(state.get("stage"), "name", "") == "UNSCALED" for state in of_interest):
        return 1.0
    return scale_of_outputs(scaler)


def _scalar(value: Tensor) -> Scalar:
    """Return a float on the CPU; elsewhere a copy on the device, since the scaler changes its tensor in place."""
    return float(value) if value.device.type == "cpu" else value.detach().clone()
