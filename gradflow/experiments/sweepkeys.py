"""The keys of a sweep file: which there are, and of which type each must be."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType, UnionType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from gradflow.experiments.recipe import NONE, PlanError, Recipe
from gradflow.models.catalogue import CATALOGUE
from gradflow.ranges import shown

EXPERIMENTS = ("compare", "shattering")


class SweepFileError(PlanError):
    """A sweep file that cannot be used; one line with the file, the key and what is allowed."""


class Kind(NamedTuple):
    """A type as TOML has it: in words, and how a value is known to be one."""

    words: str
    fits: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _list_of(kind: Kind, plural: str) -> Kind:
    return Kind(f"a list of {plural}", lambda value: isinstance(value, list) and all(map(kind.fits, value)))


TEXT = Kind("text", _is_text)
WHOLE = Kind("a whole number", _is_whole)
NUMBER = Kind("a number", _is_number)
WHOLES, TEXTS = _list_of(WHOLE, "whole numbers"), _list_of(TEXT, "words")
TABLE = Kind("a table", lambda value: isinstance(value, dict))
TABLES = _list_of(TABLE, "tables")


def _is_plain(value: Any) -> bool:
    return all(map(_is_plain, value)) if isinstance(value, list) else isinstance(value, str | int | float)


# An own model's option, which is kept as JSON and compared
ANYTHING = Kind("text, a number, a truth value or a list of them", lambda value: value is None or _is_plain(value))
LISTED = Kind("a list", lambda value: isinstance(value, list))
SEEDS = Kind("a whole number or a list of them", lambda value: WHOLE.fits(value) or WHOLES.fits(value))
FIGURES = Kind("a name or a list of tables", lambda value: TEXT.fits(value) or TABLES.fits(value))


def _or_none(kind: Kind) -> Kind:
    return Kind(f'{kind.words} or "{NONE}"', lambda value: kind.fits(value) or value in (NONE, None))


NUMBER_OR_NONE, WHOLES_OR_NONE, TEXTS_OR_NONE = map(_or_none, (NUMBER, WHOLES, TEXTS))
_CAN_BE_NONE = (NUMBER_OR_NONE, WHOLES_OR_NONE, TEXTS_OR_NONE)

_BY_TYPE: Mapping[Any, Kind] = MappingProxyType({int: WHOLE, float: NUMBER, str: TEXT})
_OF_ELEMENTS: Mapping[Any, Kind] = MappingProxyType({int: WHOLES_OR_NONE, str: TEXTS_OR_NONE})


def _kind_of(hint: Any) -> Kind:
    """Return the TOML form of a field's type."""
    if get_origin(hint) is UnionType:
        return NUMBER_OR_NONE
    return _OF_ELEMENTS[get_args(hint)[0]] if get_origin(hint) is tuple else _BY_TYPE[hint]


def _kind_like(default: Any) -> Kind:
    """Return the TOML form of an option with such a default."""
    return WHOLES if isinstance(default, tuple) else _BY_TYPE[type(default)]


SETTINGS: Mapping[str, Kind] = MappingProxyType(
    {
        "model": TEXT,
        "data": TEXT,
        "record_every": WHOLE,
        "eval_every": WHOLE,
        "probes": TEXTS_OR_NONE,
        "device": TEXT,
        **{name: _kind_of(hint) for name, hint in get_type_hints(Recipe).items()},
        **{name: _kind_like(value) for entry in CATALOGUE.values() for name, value in entry.options.items()},
    }
)
_OF_ONE_RUN: Mapping[str, Kind] = MappingProxyType({"depth": WHOLE, "family": TEXT, "seed": WHOLE, **SETTINGS})
_TOLD = {"title": TEXT, "question": TEXT, "published": FIGURES, "scaled": TABLE, "experiment": TEXT}
_TABLES = {"vary": TABLE, "override": TABLES, "leave_out": TABLES}
_COMPARE = {**_TOLD, "depths": WHOLES, "families": TEXTS, "seeds": SEEDS, **_TABLES, **SETTINGS}
_SHATTERING = {**_TOLD, "blocks": WHOLES, "width": WHOLE, "seeds": WHOLE, "n_inputs": WHOLE}
_OVERRIDE = {"when": TABLE, "set": TABLE}
_FIGURE = {"family": TEXT, "depth": WHOLE, "error": NUMBER, "source": TEXT, "kind": TEXT, "measure": TEXT}


def check_keys(values: dict[str, Any], source: str) -> None:
    """Check every key of a file and its value's type; "none" becomes None where a setting may be none.

    Raises
    ------
    SweepFileError
        A key is unknown, with the nearest there is, or its value has another type.
    """
    experiment = values.get("experiment", EXPERIMENTS[0])
    if experiment not in EXPERIMENTS:
        raise SweepFileError(f"{source}: experiment must be {' or '.join(EXPERIMENTS)}; got {shown(experiment)}.")
    known = _SHATTERING if experiment == "shattering" else _COMPARE
    keys = _Keys(source, is_open=":" in str(values.get("model", "")))
    keys.check(values, known, "")
    if "scaled" in values:
        keys.check(values["scaled"], {**known, "how": TEXT}, "scaled", never=("scaled", "experiment"))
    for place, table in (("", values), ("scaled.", values.get("scaled", {}))):
        keys.check_tables(table, place)


class _Keys:
    """Checks the tables of one file; where the model is the user's own, `is_open`, it may have any options."""

    def __init__(self, source: str, *, is_open: bool) -> None:
        self._source = source
        self._is_open = is_open

    def check_tables(self, values: Mapping[str, Any], place: str) -> None:
        """Check the tables inside a table."""
        vary = values.get("vary", {})
        self.check(vary, dict.fromkeys(_OF_ONE_RUN, LISTED), f"{place}vary", never=("seed",), other=LISTED)
        for name, listed in vary.items():
            for number, value in enumerate(listed, 1):
                listed[number - 1] = self._typed(
                    f"{place}vary.{name}[{number}]", value, _OF_ONE_RUN.get(name, ANYTHING)
                )
        for number, override in enumerate(values.get("override", []), 1):
            self.check(override, _OVERRIDE, f"{place}override[{number}]", required=_OVERRIDE)
            for name in _OVERRIDE:
                self.check(override[name], _OF_ONE_RUN, f"{place}override[{number}].{name}")
        for number, condition in enumerate(values.get("leave_out", []), 1):
            self.check(condition, _OF_ONE_RUN, f"{place}leave_out[{number}]")
        figures = values.get("published", [])
        for number, figure in enumerate([] if isinstance(figures, str) else figures, 1):
            self.check(figure, _FIGURE, f"{place}published[{number}]")

    def check(
        self,
        table: dict[str, Any],
        known: Mapping[str, Kind],
        place: str,
        *,
        required: Iterable[str] = (),
        never: Iterable[str] = (),
        other: Kind = ANYTHING,
    ) -> None:
        """Check the keys of one table and the types of their values; an own model's options are of the `other` kind."""
        known = {name: kind for name, kind in known.items() if name not in never}
        for name, value in table.items():
            if name not in known and not (self._is_open and "lr" in known):
                near = difflib.get_close_matches(name, known, n=1)
                hint = f" Did you mean {near[0]}?" if near else f" Known: {', '.join(sorted(known))}."
                raise SweepFileError(f"{self._source}: {place or 'the file'} has no key {shown(name)}.{hint}")
            table[name] = self._typed(f"{place}.{name}" if place else name, value, known.get(name, other))
        missing = [name for name in required if name not in table]
        if missing:
            raise SweepFileError(f"{self._source}: {place} lacks the key {missing[0]}.")

    def _typed(self, key: str, value: Any, kind: Kind) -> Any:
        if not kind.fits(value):
            raise SweepFileError(f"{self._source}: {key} must be {kind.words}; got {shown(value)}.")
        return None if kind in _CAN_BE_NONE and value == NONE else value
