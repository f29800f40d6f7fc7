"""The model as its recorder knows it: layers, parameters and hooks, brought up to date where the model has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim import Optimizer

from gradflow.hooks.accumulation import Accumulation, Owners
from gradflow.hooks.attachment import Attachment
from gradflow.hooks.changes import Structure, follow
from gradflow.hooks.failures import Failures
from gradflow.hooks.layers import Layer
from gradflow.hooks.optimizers import parameters_of
from gradflow.hooks.readings import Parameters

MAX_CHANGES = 100  # that are described


class FollowedModel:
    """What a recorder knows of its model, all of it as of the last look.

    Parameters
    ----------
    root : nn.Module
    select : callable
        Returns the layers of a model.
    optimizers : list of Optimizer
        Those that the recorder was given.
    attach : callable
        Makes an `Attachment`, given `layers` and the step `since` which they are these.
    failures : Failures
        Receives what there is to say of a change.

    Attributes
    ----------
    layers : list of Layer
        One list throughout: a layer keeps its number and those that are gone stay.
    parameters : Parameters
    accumulation : Accumulation
    attachment : Attachment
    added : frozenset of int
        Numbers of layers whose module was put in during the step under way, so that it may have run unseen.
    changes : list of dict
        What has changed and at which step, as JSON values.
    """

    def __init__(
        self,
        root: nn.Module,
        select: Callable[[nn.Module], list[Layer]],
        optimizers: list[Optimizer],
        attach: Callable[..., Attachment],
        failures: Failures,
    ) -> None:
        self.root = root
        self.layers = select(root)
        self.added: frozenset[int] = frozenset()
        self.changes: list[dict[str, Any]] = []
        self._select = select
        self._optimizers = optimizers
        self._attach = attach
        self._failures = failures
        self._structure = Structure(root)
        self._take_parameters()
        self.attachment = attach(layers=self.layers, since=0)

    def has_same_modules(self) -> bool:
        """Whether no module was replaced, added, taken away or renamed since the last look."""
        return self._structure.has_same_modules()

    def is_same(self) -> bool:
        """Whether no module and no parameter was replaced, added, taken away or renamed since the last look."""
        return self._structure.is_same()

    def look(self) -> list[Layer] | None:
        """Return the layers that the model has now, for `follow`; None, and a warning, where it has none."""
        self._structure = Structure(self.root)
        try:
            return self._select(self.root)
        except ValueError as error:
            self._failures.warn(
                f"the model has changed since record(), and {error} The layers from before are recorded on."
            )
            return None

    def follow(self, found: list[Layer], step: int) -> None:
        """Take the model as it is at a step, whose layers are those that `look` found."""
        changes = follow(self.layers, found)
        before = self.parameters
        self._take_parameters()
        is_attached, first_batch = self.attachment.is_attached, self.attachment.first_batch
        self.attachment.remove()
        self.attachment = self._attach(layers=self.layers, since=step)
        self.attachment.first_batch = first_batch
        if is_attached:
            self.attachment.attach()
        if changes:
            if len(self.changes) < MAX_CHANGES:
                self.changes.append({"step": step, **changes.described()})
            self._failures.warn(str(changes))
        self.added = frozenset(changes.other_modules)
        self._warn_of_optimizers(before)

    def _take_parameters(self) -> None:
        self.parameters = Parameters(self.root.parameters(), self.layers)
        self.accumulation = Accumulation(Owners(self.layers, self.parameters.every, self._optimizers))

    def _warn_of_optimizers(self, before: Parameters) -> None:
        """Warn of optimizers that go on changing parameters which the model no longer has."""
        for optimizer in self._optimizers:
            held = parameters_of(optimizer)
            if any(one in before and one not in self.parameters for one in held):
                some = "some" if any(one in self.parameters for one in held) else "all"
                self._failures.warn(
                    f"{some} of the parameters that {type(optimizer).__name__} holds are no longer the model's, and "
                    "changing them changes nothing. Make a new optimizer for the model, and a new recorder with it."
                )
