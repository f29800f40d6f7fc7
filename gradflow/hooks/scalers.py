"""What a gradient scaler does to the steps of optimizers: by what it multiplies gradients, and which steps it skips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from gradflow.hooks.norms import Scalar


class SeenStep:
    """A scaler's `step`, in its place until `remove`, that calls back before and after; scalers have no hooks.

    `after` receives what `step` was called with. Several may lie on top of each other. A deep copy or a pickle of the
    scaler has its own `step`.
    """

    def __init__(
        self, scaler: torch.amp.GradScaler, before: Callable[[], object], after: Callable[[Sequence[object]], object]
    ) -> None:
        self._scaler = scaler
        self._own = vars(scaler).get("step")
        self._step = scaler.step
        self._before: Callable[[], object] | None = before
        self._after = after
        scaler.step = self  # type: ignore[method-assign]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make the scaler's step."""
        if self._before is None:
            return self._step(*args, **kwargs)
        self._before()
        value = self._step(*args, **kwargs)
        self._after([*args, *kwargs.values()])
        return value

    def __reduce__(self) -> Any:
        return getattr, (self._scaler, "step")

    def remove(self) -> None:
        """Put back what was in its place, but for other ones that are removed."""
        self._before = None
        below: object = self
        if vars(self._scaler).get("step") is not self:
            return
        while isinstance(below, SeenStep) and below._before is None:
            below = below._own
        if below is None:
            del self._scaler.step
        else:
            self._scaler.step = below


def stepped_by(scaler: torch.amp.GradScaler | None) -> dict[int, Mapping[str, Any]]:
    """Return what a scaler knows of each optimizer that it has stepped since its last update, by id."""
    states = {} if scaler is None else scaler._per_optimizer_states
    return {number: state for number, state in states.items() if _is_at(state, "STEPPED")}


def has_found_inf(state: Mapping[str, Any]) -> bool:
    """Return whether a scaler found a gradient that is not finite, by what it knows of the optimizer."""
    return any(found.item() for found in state["found_inf_per_device"].values())


def was_skipped(optimizer: Optimizer) -> Scalar:
    """Return 1 where a fused optimizer has just skipped its step inside its kernel, told by a scaler, else 0."""
    found = getattr(optimizer, "found_inf", None)
    return on_device(found != 0) if isinstance(found, Tensor) else 0.0


def scale_of_outputs(scaler: torch.amp.GradScaler | None) -> Scalar:
    """Return the factor by which a scaler's loss, and so every gradient at an output, is too large."""
    if scaler is None or not scaler.is_enabled():
        return 1.0
    scale = scaler._scale
    return 1.0 if scale is None else on_device(scale)


def scale_where_used(optimizer: Optimizer) -> Scalar:
    """Return the factor by which the gradients in `.grad` are too large where an optimizer uses them.

    A scaler has unscaled them by then, except for a fused optimizer, which divides inside its kernel and carries the
    factor as `grad_scale`.
    """
    carried = getattr(optimizer, "grad_scale", None)
    return on_device(carried) if isinstance(carried, Tensor) else 1.0


def scale_after_backward(scaler: torch.amp.GradScaler, optimizer: Optimizer) -> Scalar:
    """Return the factor by which an optimizer's gradients are too large before it steps.

    The scaler's, unless `unscale_` was called for the optimizer.
    """
    return 1.0 if _is_unscaled(scaler._per_optimizer_states.get(id(optimizer), {})) else scale_of_outputs(scaler)


def scale_of_rest(scaler: torch.amp.GradScaler | None, optimizers: Iterable[Optimizer]) -> Scalar:
    """Return the factor by which gradients are too large that none of the optimizers uses.

    The scaler's, unless `unscale_` was called for another optimizer, which may use them.
    """
    if scaler is None:
        return 1.0
    known = set(map(id, optimizers))
    others = [state for number, state in scaler._per_optimizer_states.items() if number not in known]
    return 1.0 if any(map(_is_unscaled, others)) else scale_of_outputs(scaler)


def _is_unscaled(state: Mapping[str, Any]) -> bool:
    return _is_at(state, "UNSCALED")


def _is_at(state: Mapping[str, Any], stage: str) -> bool:
    return getattr(state.get("stage"), "name", "") == stage


def on_device(value: Tensor) -> Scalar:
    """Return a float on the CPU; elsewhere a copy on the device, since the scaler changes its tensor in place."""
    return float(value) if value.device.type == "cpu" else value.detach().clone()
