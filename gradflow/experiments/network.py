"""Which network a run trains: a model of the catalogue, its family, depth and options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gradflow.experiments.recipe import PlanError, one_of
from gradflow.models import catalogue


@dataclass(frozen=True)
class Network:
    """A network by name: `model` as in `gradflow.models.catalogue.CATALOGUE`, and what it is built with.

    `options` holds every option of the model in its full form, sorted by name, so that equal networks are equal
    values. Make it with `network`, which checks the arguments.
    """

    model: str
    family: str
    depth: int
    options: tuple[tuple[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the network as JSON values."""
        return {"model": self.model, "family": self.family, "depth": self.depth, "options": dict(self.options)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Network:
        """Return the network that `to_json` described."""
        return cls(values["model"], values["family"], values["depth"], frozen_options(values["options"]))

    def build(self, seed: int, *, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        """Return the network, initialised from a seed without touching the global random state.

        `input_shape` is (channels, height, width) of one image.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return catalogue.build(
                self.model,
                self.depth,
                family=self.family,
                input_shape=input_shape,
                num_classes=num_classes,
                options=dict(self.options),
            )


def network(model: str, family: str, depth: int, options: Mapping[str, Any]) -> Network:
    """Return a network of the catalogue with its options in full.

    Raises
    ------
    PlanError
        There is no such model, family, depth or option.
    """
    one_of("model", model, tuple(catalogue.CATALOGUE))
    one_of("family", family, catalogue.CATALOGUE[model].families)
    try:
        full = catalogue.check(model, depth, family, options)
    except ValueError as error:
        raise PlanError(str(error)) from None
    return Network(model, family, depth, frozen_options(full))


def frozen_options(options: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return options as a value that can be hashed and compared."""
    return tuple(sorted((name, frozen(value)) for name, value in options.items()))


def frozen(value: Any) -> Any:
    """Return lists as tuples, within one another too."""
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value
