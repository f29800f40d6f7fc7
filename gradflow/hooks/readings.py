"""The readings of one step: norms of gradients, of weights and of the optimizer's changes to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradflow.hooks import sharded
from gradflow.hooks.norms import Scalar, unscaled
from gradflow.hooks.optimizers import parameters_of, scale_of_parameters
from gradflow.hooks.rows import StepNorms


class Readings:
    """Reads one step's norms into `norms`, as device scalars; an error goes to `on_failure`.

    Parameters
    ----------
    owned : mapping
        The parameters, each by itself, whose weights and updates are read.
    scaler : GradScaler, optional
        Its scale is divided out of gradients that still carry it.
    with_weights : bool
        Read the norms of weights at all.
    on_failure : callable
        Receives an error of a measurement; unless it raises, training goes on.
    """

    def __init__(
        self,
        owned: Mapping[nn.Parameter, nn.Parameter],
        *,
        scaler: torch.amp.GradScaler | None,
        with_weights: bool,
        on_failure: Callable[[Exception], object],
    ) -> None:
        self.norms = StepNorms()
        self._owned = owned
        self._scaler = scaler
        self._with_weights = with_weights
        self._on_failure = on_failure
        self._before: dict[nn.Parameter, Tensor] = {}

    @property
    def gradients(self) -> list[Scalar]:
        """Norm of each parameter's gradient, of those that have one."""
        return [norm for norm, _ in self.norms.gradients.values()]

    def read_gradients(self, parameters: Iterable[nn.Parameter], optimizer: Optimizer | None) -> None:
        """Read the gradients in `.grad`, just now or where an optimizer uses them."""
        scale = scale_of_parameters(self._scaler, optimizer)
        try:
            gradients = {parameter: parameter.grad for parameter in parameters if parameter.grad is not None}
            for parameter, (norm, count) in sharded.norms_of(gradients).items():
                self.norms.gradients[parameter] = (unscaled(norm, scale), count)
        except Exception as error:  # a measurement that fails must not end the user's training
            self._on_failure(error)

    def read_weights(self) -> None:
        """Read the weights, if they are wanted and were not read yet."""
        if not self._with_weights or self.norms.weights:
            return
        try:
            norms = sharded.norms_of(self._owned)
            self.norms.weights = {parameter: norm for parameter, (norm, _) in norms.items()}
        except Exception as error:  # as above
            self._on_failure(error)

    def keep(self, optimizer: Optimizer) -> None:
        """Keep an optimizer's parameters as they are before its step."""
        own = [parameter for parameter in parameters_of(optimizer) if parameter in self._owned]
        self._before |= {parameter: parameter.detach().clone() for parameter in own}

    def read_updates(self, optimizer: Optimizer) -> None:
        """Read how far an optimizer moved the parameters that were kept."""
        own = [parameter for parameter in parameters_of(optimizer) if parameter in self._before]
        updates = {parameter: parameter.detach() - self._before.pop(parameter) for parameter in own}
        try:
            self.norms.updates |= {parameter: norm for parameter, (norm, _) in sharded.norms_of(updates).items()}
        except Exception as error:  # as above
            self._on_failure(error)
