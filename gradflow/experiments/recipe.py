"""How a network is trained: everything of a run that is neither the network nor the data."""

from __future__ import annotations

import difflib
import itertools
import operator
from collections.abc import Iterable, Sequence
from typing import Any, Self

from pydantic import BaseModel, ValidationError, ValidationInfo, field_validator, model_validator

from gradflow.errors import GradflowError
from gradflow.settings import NONE, OneRunSettings, RecipeSettings, SweepSettings, in_words, settings_of
from gradflow.text import text


class PlanError(GradflowError):
    """An argument of an experiment is out of its range; the message says which values are allowed."""


class Recipe(BaseModel, RecipeSettings, frozen=True):
    """Training practice, every number of it: `gradflow.settings.RecipeSettings`, or PlanError for what none can be."""

    def __init__(self, **settings: Any) -> None:
        check_names("a recipe", settings, RECIPE_FIELDS)
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise PlanError(str(error.errors()[0]["ctx"]["error"])) from None

    @field_validator("*", mode="plain")
    @classmethod
    def _checked(cls, value: Any, info: ValidationInfo) -> Any:
        return settings_of(RecipeSettings)[str(info.field_name)].checked(value)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.batch_size % self.accumulate:
            raise ValueError(text("error.plan.accumulate", batch_size=self.batch_size, value=self.accumulate))
        if self.warmup > self.steps:
            raise ValueError(text("error.plan.warmup", steps=self.steps, value=self.warmup))
        if self.warmup and self.warmup_until is not None:
            raise ValueError(text("error.plan.warmups", warmup=self.warmup, until=self.warmup_until))
        given = in_words(self.milestones) or NONE
        if bool(self.milestones) != (self.schedule == "multistep"):
            raise ValueError(text("error.plan.milestones", schedule=self.schedule, milestones=given))
        if any(later <= earlier for earlier, later in itertools.pairwise((0, *self.milestones, self.steps))):
            raise ValueError(text("error.plan.milestones_rise", steps=self.steps, milestones=given))
        return self


RECIPE_FIELDS = tuple(Recipe.model_fields)


def check(group: type, **values: Any) -> None:
    """Raise PlanError for the first value that its setting, one of the group, may not have."""
    for name, value in values.items():
        try:
            settings_of(group)[name].checked(value)
        except ValueError as error:
            raise PlanError(str(error)) from None


def seed_numbers(seeds: int | Iterable[int]) -> list[int]:
    """Return the seeds: so many, 0, 1, ..., or those given; PlanError if there are none, or one is out of its range."""
    if isinstance(seeds, int):
        check(SweepSettings, seeds=seeds)
        return list(range(seeds))
    numbers: list[int] = unique("seeds", map(operator.index, seeds))  # NumPy's integers as Python's, which JSON knows
    for number in numbers:
        check(OneRunSettings, seed=number)
    return numbers


def unique(name: str, values: Iterable[Any]) -> list[Any]:
    """Return the values without repeats, lists as tuples; none at all is an error."""
    kept = list(dict.fromkeys(map(frozen, values)))
    if not kept:
        raise PlanError(f"{name} must name at least one; got {NONE}.")
    return kept


def frozen(value: Any) -> Any:
    """Return lists as tuples, within one another too."""
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value


def check_names(what: str, given: Iterable[str], allowed: Sequence[str]) -> None:
    """Raise PlanError for the first name that is not allowed, with the nearest one that is."""
    for name in (one for one in given if one not in allowed):
        hint = did_you_mean(name, allowed)
        names = ", ".join(allowed)
        raise PlanError(text("error.plan.setting", what=what, name=repr(name), hint=hint, names=names))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the nearest of the names there are, as a question after an error; nothing where none is near."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return text("error.did_you_mean", name=near[0]) if near else ""
