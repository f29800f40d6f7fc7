"""The keys of a sweep file: which there are, and of which type each must be."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
    model_validator,
)

from gradflow.experiments.recipe import PlanError
from gradflow.models.catalogue import CATALOGUE
from gradflow.ranges import shown
from gradflow.settings import (
    NONE,
    AxisSettings,
    FigureSettings,
    MachineSettings,
    ModelSettings,
    OneRunSettings,
    RecipeSettings,
    RecordingSettings,
    Setting,
    ShatteringSettings,
    SweepSettings,
    setting,
    settings_of,
)

EXPERIMENTS = settings_of(SweepSettings)["experiment"].choices


class SweepFileError(PlanError):
    """A sweep file that cannot be used; one line with the file, the key and what is allowed."""


def read_keys(values: dict[str, Any], source: str) -> dict[str, Any]:
    """Return a file's values, every key and type of them checked; "none" is None where a setting may be none.

    Raises
    ------
    SweepFileError
        A key is unknown, with the nearest there is, or its value has another type.
    """
    experiment = values.get("experiment", SweepSettings.experiment)
    if experiment not in EXPERIMENTS:
        raise SweepFileError(f"{source}: experiment must be {' or '.join(EXPERIMENTS)}; got {shown(experiment)}.")
    try:
        checked = _file(experiment, is_open=":" in str(values.get("model", ""))).model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        raise SweepFileError(f"{source}: {place.lstrip('.') or 'the file'} {first['ctx']['error']}") from None
    kept: dict[str, Any] = _as_given(values, checked.model_dump(warnings=False))
    return kept


def _as_given(given: Any, kept: Any) -> Any:
    """Return the values kept of those given, in the same order."""
    if isinstance(given, dict):
        return {name: _as_given(value, kept[name]) for name, value in given.items()}
    if isinstance(given, list) and isinstance(kept, list):
        return list(map(_as_given, given, kept))
    return kept


def _must(words: str, fits: Callable[[Any], bool]) -> BeforeValidator:
    """Return a check whose error says what a value must be."""

    def check(value: Any) -> Any:
        if not fits(value):
            raise ValueError(f"must be {words}; got {shown(value)}.")
        return value

    return BeforeValidator(check)


def _is_plain(value: Any) -> bool:
    return all(map(_is_plain, value)) if isinstance(value, list) else isinstance(value, str | int | float)


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


# An own model's option, which is kept as JSON and compared
_PLAIN = Annotated[Any, _must("text, a number, a truth value or a list of them", _is_plain)]
_LISTED = _must("a list", lambda value: isinstance(value, list))
_TABLES = _must("a list of tables", _are_tables)
_NAME_OR_TABLES = _must("a name or a list of tables", lambda value: isinstance(value, str) or _are_tables(value))
_UNLESS_A_NAME = WrapValidator(lambda value, validate: value if isinstance(value, str) else validate(value))
_ELEMENTS: Mapping[type, Any] = {int: StrictInt, float: StrictInt | StrictFloat, str: StrictStr}


def _typed(told: Setting) -> Any:
    """Return a setting's type in a file; what else it must be, the plan checks."""
    one = _ELEMENTS[told.kind]
    kind = one | list[one] if told.is_one and told.is_list else list[one] if told.is_list else one  # type: ignore[valid-type]

    def in_words(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        if told.may_be_none and value in (NONE, None):
            return None
        try:
            return validate(value)
        except ValidationError:
            raise ValueError(f"must be {told.words}; got {shown(value)}.") from None

    return Annotated[kind, WrapValidator(in_words)]


class _Table(BaseModel):
    """A table that knows its keys."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _knows(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            raise ValueError(f"must be a table; got {shown(values)}.")
        known = cls.model_fields
        for name in values if cls.model_config["extra"] == "forbid" else ():
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(known))}."
                raise ValueError(f"has no key {shown(name)}. {hint}")
        for name, about in known.items():
            if about.is_required() and name not in values:
                raise ValueError(f"lacks the key {name}.")
        return values


class _OpenTable(_Table):
    """Settings of a model of the user's own, which may have any options."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, _PLAIN]


class _OpenVary(_Table):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[list[_PLAIN], _LISTED]]


@cache
def _file(experiment: str, *, is_open: bool) -> type[BaseModel]:
    """Return the model of a file; where the network is the user's own, `is_open`, it may have any options."""
    base = _OpenTable if is_open and experiment == "compare" else _Table
    keys = _comparison(is_open=is_open) if experiment == "compare" else _types(settings_of(ShatteringSettings))
    figure = _table("Figure", _types(settings_of(FigureSettings)))
    keys |= _types(settings_of(SweepSettings)) | {"published": Annotated[list[figure], _UNLESS_A_NAME, _NAME_OR_TABLES]}  # type: ignore[valid-type]
    scaled = {name: kind for name, kind in keys.items() if name != "experiment"} | {"how": StrictStr}
    return _table("File", {**keys, "scaled": _table("Scaled", scaled, base)}, base)


def _comparison(*, is_open: bool) -> dict[str, Any]:
    """Return the keys of a comparison: the arguments of a plan."""
    options = {name: default for entry in CATALOGUE.values() for name, default in entry.options.items()}
    known = settings_of(ModelSettings, RecordingSettings, MachineSettings, RecipeSettings)
    settings = _types({name: one for name, one in known.items() if name != "processes"})
    settings |= _types({name: setting(name, _hint_of(default)) for name, default in options.items()})
    of_one_run = {**_types(settings_of(OneRunSettings)), **settings}
    condition = _table("Condition", of_one_run, _OpenTable if is_open else _Table)
    varied = {name: Annotated[list[kind], _LISTED] for name, kind in of_one_run.items() if name != "seed"}  # type: ignore[valid-type]
    override = _table("Override", dict.fromkeys(("when", "set"), condition), is_required=True)
    return {
        **_types(settings_of(AxisSettings)),
        **settings,
        "vary": _table("Vary", varied, _OpenVary if is_open else _Table),
        "override": Annotated[list[override], _TABLES],  # type: ignore[valid-type]
        "leave_out": Annotated[list[condition], _TABLES],  # type: ignore[valid-type]
    }


def _hint_of(default: Any) -> Any:
    return Sequence[int] if isinstance(default, tuple) else type(default)


def _types(settings: Mapping[str, Setting]) -> dict[str, Any]:
    return {name: _typed(one) for name, one in settings.items()}


def _table(
    name: str, keys: Mapping[str, Any], base: type[BaseModel] = _Table, *, is_required: bool = False
) -> type[BaseModel]:
    fields: dict[str, Any] = {key: (kind, ... if is_required else None) for key, kind in keys.items()}
    return create_model(name, __base__=base, **fields)
