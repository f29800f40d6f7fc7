"""Which network a run trains: a model of the catalogue or a factory of the user's, its family, depth and options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gradflow.experiments import own_factory
from gradflow.experiments.recipe import PlanError, frozen
from gradflow.models import catalogue
from gradflow.settings import RecipeSettings, RunSettings, listed, settings_of
from gradflow.text import text

LISTS = [name for name, one in settings_of(RunSettings, RecipeSettings).items() if one.is_list]


@dataclass(frozen=True)
class Network:
    """A network by name: `model` as in `gradflow.models.catalogue.CATALOGUE`, or a factory, and what it is built with.

    `options` holds every option of the model in its full form, sorted by name, so that equal networks are equal
    values; of a factory, all that it is called with, `code` being the digest of its source. Make it with `network` or
    `own_network`, which check the arguments.
    """

    model: str
    family: str
    depth: int | None
    options: tuple[tuple[str, Any], ...]
    code: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the network as JSON values."""
        return {
            "model": self.model,
            "family": self.family,
            "depth": self.depth,
            "options": dict(self.options),
            "code": self.code,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Network:
        """Return the network that `to_json` described."""
        return cls(
            values["model"], values["family"], values["depth"], frozen_options(values["options"]), values["code"]
        )

    def build(self, seed: int, *, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        """Return the network, initialised from a seed without touching the global random state.

        `input_shape` is (channels, height, width) of one image. Raises PlanError where the network does not take such
        inputs, and whatever a factory raises.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if is_own(self.model):
                return own_factory.build(
                    self.model, dict(self.options), input_shape=input_shape, num_classes=num_classes
                )
            if len(input_shape) != 3 or self.depth is None:
                what = text("error.model.prefix", error=self.model)
                raise PlanError(text("error.model.images", what=what, shape=input_shape))
            try:
                return catalogue.build(
                    self.model,
                    self.depth,
                    family=self.family,
                    input_shape=input_shape,
                    num_classes=num_classes,
                    options=dict(self.options),
                )
            except ValueError as error:
                raise PlanError(str(error)) from None


def check_model(model: object) -> None:
    """Raise PlanError unless the catalogue has such a model."""
    if model not in catalogue.CATALOGUE:
        raise PlanError(text("error.model.unknown", names=", ".join(catalogue.CATALOGUE), value=repr(model)))


def network(model: str, family: str, depth: int, options: Mapping[str, Any]) -> Network:
    """Return a network of the catalogue with its options in full; PlanError if there is no such model or option."""
    try:
        full = catalogue.check(model, depth, family, options)
    except ValueError as error:
        raise PlanError(str(error)) from None
    return Network(model, family, depth, frozen_options(full))


def is_own(model: object) -> bool:
    """Whether a model's name is a factory's, or a library's network: `nets.py:make`, `timm:resnet18`."""
    return ":" in str(model)


def settled(name: str, value: Any) -> Any:
    """Return a setting's value in its one form, which can be hashed and compared: lists are tuples."""
    return listed(value) if name in LISTS else frozen(value)


def own_network(
    factory: own_factory.Factory, family: str | None, depth: int | None, options: Mapping[str, Any]
) -> Network:
    """Return a network of the user's, whose factory gets `family` and `depth` where they are given, and the options.

    Figures call it by its family, or else by the factory's own name, and place it by its depth. Raises PlanError where
    the factory takes no such argument, or needs another.
    """
    axes = {name: value for name, value in (("family", family), ("depth", depth)) if value is not None}
    arguments = {**options, **axes}
    factory.check(arguments)
    name = factory.name.rpartition(":")[2]
    return Network(factory.name, family or name, depth, frozen_options(arguments), factory.code)


def frozen_options(options: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return options as a value that can be hashed and compared."""
    return tuple(sorted((name, frozen(value)) for name, value in options.items()))
