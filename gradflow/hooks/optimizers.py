"""When optimizers step, and whose turn it is: gradients are read where one uses them."""

from __future__ import annotations

import functools
import inspect
import math
import weakref
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.hooks import RemovableHandle

from gradflow.hooks.failures import Failures, door
from gradflow.hooks.norms import Scalar
from gradflow.hooks.scalers import SeenStep, has_found_inf, on_device, stepped_by

OnStep = Callable[[Optimizer], object]

MAX_WAIT = 100  # steps of one optimizer while another makes none


class OptimizerHooks:
    """Calls back before and after each step of an optimizer, and where a gradient scaler skips one.

    `keep(optimizer)` comes before the step changes anything. `before(optimizer)` sees the gradients that the step uses:
    accumulated, reduced, clipped. With a closure they exist once it returns, so `before` is then called after its first
    call and, where there are more (LBFGS), after the step again. A step that the scaler skips, because a gradient is
    not finite, is told of like any other, while `is_skipping`. `other(optimizer)` is called after the first step of
    each other optimizer in the process that is not part of one of these. What fails is told to `failures`.
    """

    def __init__(
        self,
        optimizers: Sequence[Optimizer],
        scaler: torch.amp.GradScaler | None,
        *,
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
        self.is_skipping = False
        self._under_way: dict[Optimizer, int | None] = {}  # with the evaluations of its closure, if it has one
        self._has_nested = False  # whether an optimizer's step was ever seen to call its parent's
        self._scaler = scaler
        self._begun: set[Optimizer] = set()  # since the scaler's step under way began
        self._stepped: set[int] = set()  # ids of what the scaler had stepped before that
        self._optimizers = optimizers
        self._known = weakref.WeakSet(optimizers)
        self._failures = failures
        self._handles: list[RemovableHandle | SeenStep] = []
        for optimizer in optimizers:
            pre = door(self._pre, "what comes before an optimizer's step", failures)
            post = door(self._post, "what comes after an optimizer's step", failures)
            self._handles.append(optimizer.register_step_pre_hook(pre))
            self._handles.append(optimizer.register_step_post_hook(post))
        if optimizers:
            of_any = door(self._post_of_any, "the optimizers that record() was not given", failures)
            self._handles.append(register_optimizer_step_post_hook(of_any))
        if optimizers and scaler is not None and scaler.is_enabled():
            before_scaler = door(self._before_scaler, "what comes before a scaler's step", failures)
            after_scaler = door(self._after_scaler, "what comes after a scaler's step", failures)
            self._handles.append(SeenStep(scaler, before_scaler, after_scaler))

    def remove(self) -> None:
        """Remove the hooks; twice is as good as once."""
        for handle in self._handles:
            handle.remove()

    def _pre(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._begun.add(optimizer)
        if optimizer in self._under_way and _is_in_its_own_step(optimizer):  # one that calls its parent's
            self._has_nested = True
            return None
        self._under_way[optimizer] = None
        self._keep(optimizer)
        if not self._failures.attempt("an optimizer's closure", _has_closure, args, kwargs, default=False):
            self._before(optimizer)
            return None
        self._under_way[optimizer] = 0
        # Some optimizers change gradients in place while they step (SGD with foreach and nesterov).
        return _with_closure(args, kwargs, door(self._after_closure, "an optimizer's closure", self._failures))

    def _after_closure(self, optimizer: Optimizer) -> None:
        n = self._under_way[optimizer] = (self._under_way.get(optimizer) or 0) + 1
        if n == 1:
            self._before(optimizer)

    def _post(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._has_nested and _is_in_its_own_step(optimizer):
            return
        if self._under_way.pop(optimizer, None) not in (None, 1):
            self._before(optimizer)
        self._after(optimizer)

    def _before_scaler(self) -> None:
        self._begun, self._stepped = set(), set(stepped_by(self._scaler))

    def _after_scaler(self, given: Sequence[object]) -> None:
        fresh = {number: state for number, state in stepped_by(self._scaler).items() if number not in self._stepped}
        for one in self._optimizers:
            names = [one, *(wrapper for wrapper in given if one in _inside(wrapper))]
            is_skipped = any(has_found_inf(fresh[id(name)]) for name in names if id(name) in fresh)
            if is_skipped and one not in self._begun:
                self.is_skipping = True
                try:
                    self._keep(one)
                    self._before(one)
                    self._after(one)
                finally:  # what is told of may raise, where the recorder is strict
                    self.is_skipping = False

    def _post_of_any(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self._under_way and optimizer not in self._known:
            self._known.add(optimizer)
            if not any(one in self._optimizers for one in _inside(optimizer)):
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


_HOOKED = Optimizer.profile_hook_step(lambda: None).__code__  # of every step that calls hooks


def _is_in_its_own_step(optimizer: Optimizer) -> bool:
    """Whether a hook of an optimizer is called from a step that another step of the same optimizer has called."""
    n, frame = 0, inspect.currentframe()
    while frame is not None and n < 2:
        n += frame.f_code is _HOOKED and frame.f_locals.get("self") is optimizer
        frame = frame.f_back
    return n == 2


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


class Since:
    """Whether anything was done to the gradients since the optimizers used them."""

    def __init__(self, optimizers: Iterable[Optimizer]) -> None:
        # By optimizer, since a pass may reach one's parameters alone; a look at the values of a small one is cheap.
        self._parameters = [sorted(parameters_of(optimizer), key=Tensor.numel) for optimizer in optimizers]
        self._noted: list[tuple[nn.Parameter, Tensor, int] | None] = [None] * len(self._parameters)
        self._operation: int | None = None  # the next one when the last step ended
        self._comes_before = False

    def begin(self, of_model: Container[object], comes_before: bool) -> None:
        """Note the gradients as they are just now, of the parameters that are the model's.

        `comes_before` tells whether in the step that has ended `step()` was called before the optimizers' steps.
        """
        self._operation, self._comes_before = _next_operation(), comes_before
        for number, parameters in enumerate(self._parameters):
            held = next((one for one in parameters if one.grad is not None and one in of_model), None)
            gradient = None if held is None else held.grad
            self._noted[number] = None if held is None or gradient is None else (held, gradient, gradient._version)

    def is_untouched(self, of_model: Container[object]) -> bool:
        """Whether no backward pass has added to the gradients; false, too, before there were any.

        Whether `zero_grad` cleared them or not is the same here.
        """
        is_idle = self._operation == _next_operation()
        if not is_idle and not any(self._noted):
            return False
        return all(self._is_same(number, of_model, is_idle=is_idle) for number in range(len(self._noted)))

    def _is_same(self, number: int, of_model: Container[object], *, is_idle: bool) -> bool:
        noted = self._noted[number]
        if noted is not None and noted[0] not in of_model:
            return False
        gradient = None if noted is None else noted[0].grad
        if noted is None or gradient is None:
            return all(one.grad is None or one not in of_model for one in self._parameters[number])
        if gradient is not noted[1]:
            return False
        if gradient._version == noted[2]:
            return True
        if is_idle and not self._comes_before:
            return (
                True  # no backward pass of this thread's changed it, but for one through an older graph: it was clipped
            )
        # Cleared in place by one change and no more, or zero after a backward pass, which left another that is not.
        is_cleared = gradient._version == noted[2] + 1
        return is_cleared and all(_is_zero(one.grad) for one in self._parameters[number] if one.grad is not None)


def _next_operation() -> int:
    """Return the number that the next operation in this thread's graphs will have."""
    number: int = torch._C._autograd._get_sequence_nr()
    return number


def _is_zero(gradient: Tensor) -> bool:
    """Whether a gradient is known to be zero, without waiting for a device."""
    return type(gradient) is Tensor and gradient.is_cpu and not gradient.any()


def rate(value: object) -> Scalar:
    """Return a group's learning rate: a number, or a tensor where the optimizer runs on the device."""
    return on_device(value) if isinstance(value, Tensor) else float(value)  # type: ignore[arg-type]  # a number by contract
