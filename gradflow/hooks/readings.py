"""The readings of one step: norms of gradients, of weights and of the optimizer's changes to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradflow.hooks import sharded
from gradflow.hooks.norms import Scalar, unscaled
from gradflow.hooks.optimizers import parameters_of, scale_after_backward, scale_where_used

OnFailure = Callable[[Exception], object]


class Readings:
    """Reads one step's norms, as floats or device scalars; an error goes to `on_failure`.

    Parameters
    ----------
    parameters : Parameters
        The parameters that are read.
    scaler : GradScaler, optional
        Its scale is divided out of gradients that still carry it.
    with_weights : bool
        Read the norms of weights at all.
    on_failure : callable
        Receives an error of a measurement; unless it raises, training goes on.

    Attributes
    ----------
    gradients, weights, updates : list of float or Tensor
        Norms by the parameters' numbers, NaN where there is none; `weights` and `updates` are empty if not read.
    arrived, updated : set of int
        The parameters that had a gradient, and those that an optimizer moved.
    n_nonfinite : dict
        Number of NaN and inf entries of a gradient, where there are any; -1 where they were not counted.
    """

    def __init__(
        self,
        parameters: Parameters,
        *,
        scaler: torch.amp.GradScaler | None,
        with_weights: bool,
        on_failure: OnFailure,
    ) -> None:
        self.gradients: list[Scalar] = [math.nan] * len(parameters.every)
        self.weights: list[Scalar] = []
        self.updates: list[Scalar] = []
        self.n_nonfinite: dict[int, int] = {}
        self.arrived: set[int] = set()
        self.updated: set[int] = set()
        self._parameters = parameters
        self._scaler = scaler
        self._with_weights = with_weights
        self._on_failure = on_failure
        self._before: dict[int, Tensor] = {}

    @property
    def arrived_gradients(self) -> list[Scalar]:
        """Norm of each parameter's gradient, of those that have one."""
        return [self.gradients[number] for number in sorted(self.arrived)]

    def read_after_backward(self, optimizers: Sequence[Optimizer]) -> None:
        """Read all gradients as they are in `.grad` just now; what a scaler is still to divide by is divided out."""
        if len(optimizers) < 2 or self._scaler is None:
            optimizer = optimizers[0] if optimizers else None
            self._read(range(len(self._parameters.every)), scale_after_backward(self._scaler, optimizer))
            return
        rest = set(range(len(self._parameters.every)))
        for optimizer in optimizers:
            numbers = self._parameters.of(optimizer)
            rest.difference_update(numbers)
            self._read(numbers, scale_after_backward(self._scaler, optimizer))
        self._read(sorted(rest), scale_after_backward(self._scaler, None))

    def read_where_used(self, optimizer: Optimizer) -> None:
        """Read the gradients that an optimizer uses, where it uses them."""
        self._read(self._parameters.of(optimizer), scale_where_used(optimizer))

    def _read(self, numbers: Sequence[int], scale: Scalar) -> None:
        every, read = self._parameters.every, numbers
        try:
            gradients = [every[number].grad for number in numbers]
            present = [gradient for gradient in gradients if gradient is not None]
            if len(present) < len(gradients):
                numbers = [number for number, gradient in zip(numbers, gradients, strict=True) if gradient is not None]
            norms, counts = sharded.norms_of(present)
        except Exception as error:  # a measurement that fails must not end the user's training
            self._on_failure(error)
            return
        if self.arrived:  # a gradient of an earlier reading may be gone
            for number in read:
                self.gradients[number] = math.nan
            self.arrived.difference_update(read)
        self.arrived.update(numbers)
        for number, norm in zip(numbers, norms, strict=True):
            self.gradients[number] = unscaled(norm, scale)
        if self.n_nonfinite:  # of an earlier reading in the same step
            self.n_nonfinite = {number: n for number, n in self.n_nonfinite.items() if number not in set(numbers)}
        self.n_nonfinite.update({numbers[place]: count for place, count in counts.items()})

    def read_weights(self, optimizer: Optimizer | None = None) -> None:
        """Read the weights, if they are wanted; all of them the first time, then those that an optimizer changes."""
        if not self._with_weights:
            return
        every = self._parameters.every
        numbers = self._parameters.of(optimizer) if self.weights and optimizer else range(len(every))
        try:
            norms, _ = sharded.norms_of([every[number].detach() for number in numbers])
        except Exception as error:  # as above
            self._on_failure(error)
            return
        self.weights = self.weights or [math.nan] * len(every)
        for number, norm in zip(numbers, norms, strict=True):
            self.weights[number] = norm

    def keep(self, optimizer: Optimizer) -> None:
        """Keep an optimizer's parameters as they are before its step."""
        every = self._parameters.every
        self._before |= {number: every[number].detach().clone() for number in self._parameters.of(optimizer)}

    def read_updates(self, optimizer: Optimizer) -> None:
        """Read how far an optimizer moved the parameters that were kept."""
        every = self._parameters.every
        numbers = [number for number in self._parameters.of(optimizer) if number in self._before]
        updates = [every[number].detach() - self._before.pop(number) for number in numbers]
        try:
            norms, _ = sharded.norms_of(updates)
        except Exception as error:  # as above
            self._on_failure(error)
            return
        self.updates = self.updates or [math.nan] * len(every)
        self.updated.update(numbers)
        for number, norm in zip(numbers, norms, strict=True):
            self.updates[number] = norm


class Parameters:
    """The parameters that are read, by number.

    `every` holds those of the whole model that can be trained and those that the recorded layers own: one that is
    frozen has no gradient, until it is thawed.
    """

    def __init__(self, trainable: Iterable[nn.Parameter], owned: Iterable[nn.Parameter]) -> None:
        self.every = list(dict.fromkeys([*trainable, *owned]))
        self._numbers = {id(parameter): number for number, parameter in enumerate(self.every)}

    def number(self, parameter: nn.Parameter) -> int:
        """Return a parameter's number."""
        return self._numbers[id(parameter)]

    def of(self, optimizer: Optimizer) -> list[int]:
        """Return the numbers of an optimizer's parameters, of those that are read."""
        found = (self._numbers.get(id(parameter)) for parameter in parameters_of(optimizer))
        return [number for number in found if number is not None]
