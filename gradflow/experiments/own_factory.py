"""A user's own network, or one of a library: by name, its arguments checked before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

from torch import nn

from gradflow.experiments.recipe import PlanError, did_you_mean
from gradflow.factories import TargetError, load_factory, source_digest
from gradflow.targets import CLASSIFIERS, check_classifier, classifier
from gradflow.text import text

GIVEN = ("in_channels", "input_shape", "num_classes")  # what the data decides, passed to a factory that names it
NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Factory:
    """A function that makes a network: `package.module:FACTORY`, `path/to/file.py:FACTORY`, or a library's by name.

    `arguments` are the names that settings may have, `required` those without a default; with `takes_any` it takes
    further ones, as `**settings`, which a library checks when it makes the network. `code` is a digest of its source,
    or the library's version.
    """

    name: str
    arguments: tuple[str, ...]
    required: tuple[str, ...]
    takes_any: bool
    code: str

    @classmethod
    def of(cls, name: str) -> Factory:
        """Return the factory of a name; PlanError if there is none, or its arguments cannot be given by name."""
        try:
            if is_of_library(name):
                return cls(name, arguments=(), required=(), takes_any=True, code=check_classifier(name))
            parameters = signature(load_factory(name)).parameters.values()
            code = source_digest(name)
        except TargetError as error:
            raise PlanError(text("error.model.prefix", error=error)) from None
        except ValueError:
            raise PlanError(text("error.model.signature", name=name)) from None
        unnamed = [one.name for one in parameters if one.kind is Parameter.POSITIONAL_ONLY]
        if unnamed:
            raise PlanError(text("error.model.unnamed", name=name, arguments=", ".join(unnamed)))
        named = [one for one in parameters if one.kind in NAMED and one.name not in GIVEN]
        return cls(
            name=name,
            arguments=tuple(one.name for one in named),
            required=tuple(one.name for one in named if one.default is Parameter.empty),
            takes_any=any(one.kind is Parameter.VAR_KEYWORD for one in parameters),
            code=code,
        )

    def check(self, given: Iterable[str]) -> None:
        """Raise PlanError if a name is unknown to the factory, or one that it needs is missing."""
        given = tuple(given)
        for name in given:
            if name not in self.arguments and not self.takes_any:
                hint, takes = did_you_mean(name, self.arguments), ", ".join(self.arguments) or "none"
                raise PlanError(text("error.model.no_argument", name=self.name, argument=name, hint=hint, known=takes))
        missing = [name for name in self.required if name not in given]
        if missing:
            named = ", ".join(missing)
            raise PlanError(text("error.model.needs", name=self.name, arguments=named, first=missing[0]))


def is_of_library(name: str) -> bool:
    """Whether a name is that of a library's network: `torchvision:NAME` or `timm:NAME`."""
    return name.rpartition(":")[0] in CLASSIFIERS


def build(name: str, arguments: Mapping[str, Any], *, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Return what a factory makes of its arguments, and of the data's shape where its signature asks for it.

    Raises PlanError where that is no module, or one without parameters.
    """
    if is_of_library(name):
        return classifier(name, arguments, channels=input_shape[0], num_classes=num_classes)
    factory = load_factory(name)
    data = {"in_channels": input_shape[0], "input_shape": input_shape, "num_classes": num_classes}
    parameters = signature(factory).parameters
    asked = {name: value for name, value in data.items() if name in parameters}
    made = factory(**arguments, **asked)
    if not isinstance(made, nn.Module):
        raise PlanError(text("error.model.no_module", name=name, kind=type(made).__name__))
    if next(made.parameters(), None) is None:
        raise PlanError(text("error.model.no_parameters", name=name, kind=type(made).__name__))
    return made
