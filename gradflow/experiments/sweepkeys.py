"""The keys of a sweep file: which there are, and of which type each must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any

import pydantic
from pydantic import StrictFloat, StrictInt, StrictStr

from gradflow import settings
from gradflow.experiments.recipe import PlanError, did_you_mean
from gradflow.models.catalogue import CATALOGUE
from gradflow.ranges import shown
from gradflow.text import text

EXPERIMENTS = settings.settings_of(settings.NotesSettings)["experiment"].choices


class SweepFileError(PlanError):
    """A sweep file that cannot be used; one line with the file, the key and what is allowed."""


def read_keys(values: dict[str, Any], source: str) -> dict[str, Any]:
    """Return a file's values; "none" is None where a setting may be none.

    Raises SweepFileError where a key is unknown, with the nearest there is, or its value has another type.
    """
    experiment = values.get("experiment", EXPERIMENTS[0])
    if experiment not in EXPERIMENTS:
        names = ", ".join(EXPERIMENTS)
        raise SweepFileError(text("error.sweep.experiment", source=source, names=names, value=shown(experiment)))
    try:
        checked = _file(experiment, is_open=":" in str(values.get("model", ""))).model_validate(values)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        kind = text("error.sweep.list") if ".vary." in place else text("error.sweep.tables")
        listed = text("error.sweep.type", allowed=kind, value=shown(first["input"]))
        said = first["ctx"]["error"] if "ctx" in first else listed  # pydantic's own errors are of lists
        raise SweepFileError(f"{source}: {place.lstrip('.') or text('error.sweep.file')} {said}") from None
    kept: dict[str, Any] = _as_given(values, checked.model_dump(warnings=False))
    return kept


def _as_given(given: Any, kept: Any) -> Any:
    """Return the values kept of those given, in their order, which labels follow."""
    if isinstance(given, dict):
        return {name: _as_given(value, kept[name]) for name, value in given.items()}
    return list(map(_as_given, given, kept)) if isinstance(given, list) and kept is not None else kept


def _typed(one: settings.Setting) -> Any:
    """Return a setting's type in a file, whose error says it in words; what else it must be, the plan checks."""
    element: Any = {int: StrictInt, float: StrictInt | StrictFloat, str: StrictStr}[one.kind]
    kind = element | list[element] if one.is_one and one.is_list else list[element] if one.is_list else element

    def in_words(value: Any, validate: pydantic.ValidatorFunctionWrapHandler) -> Any:
        if one.may_be_none and value in (settings.NONE, None):
            return None
        try:
            return validate(value)
        except pydantic.ValidationError:
            raise ValueError(text("error.sweep.type", allowed=one.type_words, value=shown(value))) from None

    return Annotated[kind, pydantic.WrapValidator(in_words)]


def _plain(value: Any) -> Any:
    """Return an own model's option, which is kept as JSON and compared."""
    if isinstance(value, list):
        return list(map(_plain, value))
    if not isinstance(value, str | int | float):
        raise ValueError(f"must be text, a number, a truth value or a list of them; got {shown(value)}.")
    return value


def _named_or_listed(value: Any, validate: pydantic.ValidatorFunctionWrapHandler) -> Any:
    if not isinstance(value, str | list):
        raise ValueError(f"must be a name or a list of tables; got {shown(value)}.")
    return value if isinstance(value, str) else validate(value)


_Plain = Annotated[Any, pydantic.BeforeValidator(_plain)]


class _Table(pydantic.BaseModel, extra="forbid"):
    """A table that knows its keys."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _knows(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            raise ValueError(text("error.sweep.table", value=shown(values)))
        known = cls.model_fields
        for name in values if cls.model_config["extra"] == "forbid" else ():
            if name not in known:
                hint = did_you_mean(name, known) or text("error.sweep.known", names=", ".join(sorted(known)))
                raise ValueError(text("error.sweep.key", name=shown(name), hint=hint))
        for name, about in known.items():
            if about.is_required() and name not in values:
                raise ValueError(text("error.sweep.lacks", name=name))
        return values


class _OpenTable(_Table, extra="allow"):
    """Settings of a model of the user's own, which may have any options."""

    __pydantic_extra__: dict[str, _Plain]


class _OpenVary(_Table, extra="allow"):
    """The same, varied."""

    __pydantic_extra__: dict[str, Annotated[list[_Plain], pydantic.FailFast()]]


@cache
def _file(experiment: str, *, is_open: bool) -> type[pydantic.BaseModel]:
    """Return the model of a file; where the network is the user's own, `is_open`, it may have any options."""
    base = _OpenTable if is_open and experiment == "compare" else _Table
    keys = _comparison(is_open=is_open) if experiment == "compare" else _types(settings.ShatteringSettings)
    figures = _list_of(_table("Figure", _types(settings.FigureSettings)))
    keys |= _types(settings.NotesSettings)
    keys["published"] = Annotated[figures, pydantic.WrapValidator(_named_or_listed)]
    scaled = {name: kind for name, kind in keys.items() if name != "experiment"} | {"how": StrictStr}
    return _table("File", {**keys, "scaled": _table("Scaled", scaled, base)}, base)


def _comparison(*, is_open: bool) -> dict[str, Any]:
    """Return the keys of a comparison: the arguments of a plan."""
    base, varied = (_OpenTable, _OpenVary) if is_open else (_Table, _Table)
    shared = _types(settings.RunSettings, settings.RecipeSettings)
    del shared["processes"]  # torchrun says how many
    options = {name: default for entry in CATALOGUE.values() for name, default in entry.options.items()}
    for name, default in options.items():
        hint = Sequence[int] if isinstance(default, tuple) else type(default)
        shared[name] = _typed(settings.setting(name, hint))
    of_one_run = {**_types(settings.OneRunSettings), **shared}
    condition = _table("Condition", of_one_run, base)
    override = _table("Override", {"when": condition, "set": condition}, default=...)
    lists = {name: _list_of(kind) for name, kind in of_one_run.items() if name != "seed"}
    tables = {"vary": _table("Vary", lists, varied), "override": _list_of(override), "leave_out": _list_of(condition)}
    return {**_types(settings.SweepSettings), **shared, **tables}


def _list_of(kind: Any) -> Any:
    return Annotated[list[kind], pydantic.FailFast()]  # one error is said, and there may be many


def _types(*groups: type) -> dict[str, Any]:
    return {name: _typed(one) for name, one in settings.settings_of(*groups).items()}


def _table(
    name: str, keys: Mapping[str, Any], base: type[_Table] = _Table, *, default: Any = None
) -> type[pydantic.BaseModel]:
    fields: dict[str, Any] = {key: (kind, default) for key, kind in keys.items()}
    return pydantic.create_model(name, __base__=base, **fields)
