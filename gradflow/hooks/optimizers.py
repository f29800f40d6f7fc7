"""Where gradients are read: what an optimizer or a gradient scaler has done to them by then."""

from __future__ import annotations

import functools
import math
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.hooks import RemovableHandle

from gradflow.hooks.failures import Failures, door
from gradflow.hooks.norms import Scalar

OnStep = Callable[[Optimizer], object]

MAX_WAIT = 100  # steps of one optimizer while another makes none


class OptimizerHooks:
    """Calls back before and after each step of an optimizer.

    `keep(optimizer)` comes before the step changes anything. `before(optimizer)` sees the gradients that the step uses:
    accumulated, reduced, clipped. With a closure they exist once it returns, so `before` is then called after its first
    call and, where there are more (LBFGS), after the step again. `other(optimizer)` is called after the first step of
    each other optimizer in the process that is not part of one of these. What fails is told to `failures`.
    """

    def __init__(
        self,
        optimizers: Sequence[Optimizer],
        keep: OnStep,
        before: OnStep,
        after: OnStep,
        other: OnStep,
        failures: Failures,
    ) -> None:
        self._keep = keep
        self._before = before
        self._after = after
        self._other = other
        self._is_stepping = False
        self._n_evaluations: int | None = None  # of a step's closure, if it has one
        self._known = weakref.WeakSet(optimizers)
        self._failures = failures
        self._handles: list[RemovableHandle] = []
        for optimizer in optimizers:
            pre = door(self._pre, "what comes before an optimizer's step", failures)
            post = door(self._post, "what comes after an optimizer's step", failures)
            self._handles.append(optimizer.register_step_pre_hook(pre))
            self._handles.append(optimizer.register_step_post_hook(post))
        if optimizers:
            of_any = door(self._post_of_any, "the optimizers that record() was not given", failures)
            self._handles.append(register_optimizer_step_post_hook(of_any))

    def remove(self) -> None:
        """Remove the hooks; twice is as good as once."""
        for handle in self._handles:
            handle.remove()

    def _pre(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._is_stepping, self._n_evaluations = True, None
        self._keep(optimizer)
        if not self._failures.attempt("an optimizer's closure", _has_closure, args, kwargs, default=False):
            self._before(optimizer)
            return None
        self._n_evaluations = 0
        # Some optimizers change gradients in place while they step (SGD with foreach and nesterov).
        return _with_closure(args, kwargs, door(self._after_closure, "an optimizer's closure", self._failures))

    def _after_closure(self, optimizer: Optimizer) -> None:
        self._n_evaluations = (self._n_evaluations or 0) + 1
        if self._n_evaluations == 1:
            self._before(optimizer)

    def _post(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._n_evaluations not in (None, 1):
            self._before(optimizer)
        self._is_stepping = False
        self._after(optimizer)

    def _post_of_any(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self._is_stepping and optimizer not in self._known:
            self._known.add(optimizer)
            self._other(optimizer)


class Turns:
    """Which of several optimizers have stepped since the step began: it ends when all have, in whatever order.

    Parameters
    ----------
    optimizers : sequence of Optimizer
    on_idle : callable
        Receives the number of an optimizer that has not stepped while another made `MAX_WAIT` steps: from then on no
        step waits for it.
    """

    def __init__(self, optimizers: Sequence[Optimizer], on_idle: Callable[[int], object]) -> None:
        self.n_steps = 0  # of all optimizers
        self._optimizers = optimizers
        self._on_idle = on_idle
        self._idle: set[int] = set()
        self._made = [0] * len(optimizers)

    def take(self, optimizer: Optimizer) -> bool:
        """Note a step of an optimizer; return whether it ends the step of all."""
        self.n_steps += 1
        made = self._made
        if len(made) == 1:
            return True
        number = next(number for number, one in enumerate(self._optimizers) if one is optimizer)
        made[number] += 1
        missing = [other for other, n in enumerate(made) if not n and other not in self._idle]
        if missing and made[number] >= MAX_WAIT:
            self._idle.update(missing)
            for other in missing:
                self._on_idle(other)
            missing = []
        if missing or not any(n for other, n in enumerate(made) if other not in self._idle):
            return False
        self._made = [0] * len(made)
        return True

    def absent(self) -> list[Optimizer]:
        """Return the optimizers that steps no longer wait for."""
        return [self._optimizers[number] for number in sorted(self._idle)]


def unwrapped_optimizer(optimizer: object) -> Optimizer:
    """Return the torch optimizer inside a wrapper (Accelerate's, fastai's, Lightning's), or one as it is.

    Raises
    ------
    ValueError
        There is none inside, or more than one.
    """
    inner = _inside(optimizer)
    if isinstance(optimizer, Optimizer) and "_optimizer_step_pre_hooks" in vars(optimizer):
        hooks = optimizer._optimizer_step_pre_hooks
        # Lightning's wrapper shares all that its optimizer holds, hooks too, and is not what they are called with.
        return next((one for one in inner if one._optimizer_step_pre_hooks is hooks), optimizer)
    if len(inner) != 1:
        raise ValueError(
            f"optimizer must be a torch.optim.Optimizer, or hold one; got {type(optimizer).__name__}, which holds "
            f"{len(inner) or 'none'}. Pass the torch optimizer that changes the parameters, or call step() yourself."
        )
    return inner[0]


def _inside(wrapper: object) -> list[Optimizer]:
    """Return the torch optimizers that an object holds, or that wrappers in it hold."""
    held = [value for value in getattr(wrapper, "__dict__", {}).values() if value is not wrapper]
    found = []
    for value in held:
        if isinstance(value, Optimizer) and "_optimizer_step_pre_hooks" in vars(value):
            found.append(value)
        elif isinstance(value, Optimizer) or type(value).__name__.endswith(("Optimizer", "OptimWrapper")):
            found += _inside(value)
    return list({id(one): one for one in found}.values())


def _has_closure(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    # args holds the optimizer itself first.
    return kwargs.get("closure") is not None or any(callable(arg) and not isinstance(arg, Optimizer) for arg in args)


def _with_closure(
    args: tuple[Any, ...], kwargs: dict[str, Any], after: Callable[[Optimizer], object]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of an optimizer's step with a closure that calls `after(optimizer)` once it has run."""
    optimizer = args[0]

    def told(closure: Any) -> Any:
        if not callable(closure) or isinstance(closure, Optimizer):
            return closure

        @functools.wraps(closure)
        def call() -> Any:
            value = closure()
            after(optimizer)
            return value

        return call

    return tuple(map(told, args)), {name: told(value) for name, value in kwargs.items()}


def settings_of(optimizers: Iterable[Optimizer]) -> list[dict[str, Any]]:
    """Return each optimizer's class and the numbers of its first group, as JSON values."""
    return [
        {
            "kind": type(one).__name__,
            **{name: value for name, value in one.param_groups[0].items() if _is_number(value)},
        }
        for one in optimizers
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def parameters_of(optimizer: Optimizer) -> list[nn.Parameter]:
    """Return all parameters of an optimizer."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


class Skips:
    """Which steps a gradient scaler skips, because a gradient is not finite: it then never calls the optimizer.

    A scaler notes in a dictionary which optimizers it has stepped since its last `update`, and begins a new one there.
    Of two updates between two looks only the last is seen.
    """

    def __init__(self, scaler: torch.amp.GradScaler | None) -> None:
        self._scaler = scaler if scaler is not None and scaler.is_enabled() else None
        self._states = self._current()
        self._made: list[Optimizer] = []  # that have stepped since the last update

    def note(self, optimizer: Optimizer) -> None:
        """Note that an optimizer has stepped."""
        if self._scaler is not None:
            self._made.append(optimizer)

    def look(self, optimizers: Iterable[Optimizer]) -> list[Optimizer]:
        """Return those of the optimizers whose step was skipped before an update that came since the last look."""
        if self._scaler is None or self._current() is self._states:
            return []
        states, self._states = self._states, self._current()
        made, self._made = self._made, []
        return [one for one in optimizers if one not in made and _has_stepped(states, one)]

    def _current(self) -> Any:
        return None if self._scaler is None else self._scaler._per_optimizer_states


def _has_stepped(states: Any, optimizer: Optimizer) -> bool:
    return getattr(states.get(id(optimizer), {}).get("stage"), "name", "") == "STEPPED"


def was_skipped(optimizer: Optimizer) -> Scalar:
    """Return 1 where a fused optimizer has just skipped its step inside its kernel, told by a scaler, else 0."""
    found = getattr(optimizer, "found_inf", None)
    return _scalar(found != 0) if isinstance(found, Tensor) else 0.0


class Since:
    """Whether anything was done to the gradients since the optimizers used them."""

    def __init__(self, optimizers: Iterable[Optimizer]) -> None:
        # By optimizer, since a pass may reach one's parameters alone; a look at the values of a small one is cheap.
        self._parameters = [sorted(parameters_of(optimizer), key=Tensor.numel) for optimizer in optimizers]
        self._noted: list[tuple[nn.Parameter, Tensor, int] | None] = [None] * len(self._parameters)

    def begin(self) -> None:
        """Note the gradients as they are just now."""
        for number, parameters in enumerate(self._parameters):
            held = next((one for one in parameters if one.grad is not None), None)
            gradient = None if held is None else held.grad
            self._noted[number] = None if held is None or gradient is None else (held, gradient, gradient._version)

    def is_untouched(self) -> bool:
        """Whether no backward pass has added to the gradients; false, too, before there were any.

        Whether `zero_grad` cleared them or not is the same here.
        """
        return any(self._noted) and all(map(self._is_same, range(len(self._noted))))

    def _is_same(self, number: int) -> bool:
        noted = self._noted[number]
        gradient = None if noted is None else noted[0].grad
        if noted is None or gradient is None:
            return all(parameter.grad is None for parameter in self._parameters[number])
        if gradient is not noted[1]:
            return False
        if gradient._version == noted[2]:
            return True
        # Cleared in place, or zero after a backward pass, which then left another one that is not.
        return all(_is_zero(one.grad) for one in self._parameters[number] if one.grad is not None)


def _is_zero(gradient: Tensor) -> bool:
    """Whether a gradient is known to be zero, without waiting for a device."""
    return type(gradient) is Tensor and gradient.is_cpu and not gradient.any()


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
    return getattr(state.get("stage"), "name", "") == "UNSCALED"


def _scalar(value: Tensor) -> Scalar:
    """Return a float on the CPU; elsewhere a copy on the device, since the scaler changes its tensor in place."""
    return float(value) if value.device.type == "cpu" else value.detach().clone()
