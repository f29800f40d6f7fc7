"""Every sentence a user reads, by key and language, and the numbers in it as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from string import Formatter
from types import MappingProxyType
from typing import Any

LANGUAGES = ("en", "zh")
DEFAULT_LANGUAGE = "en"
_ONE = re.compile(r"1\D*")  # "1" and "1 layer", not "1.0", "1 and 20" or "1 to 3"
_BETWEEN_CHINESE = re.compile(r"(?<=[\u4e00-\u9fff）]) (?=[\u4e00-\u9fff])")  # spaces that a label leaves there
# The language is where the caller is, not an argument: a sentence passes through a dozen functions that have no other
# use for it.
_LANGUAGE: ContextVar[str] = ContextVar("gradflow_language", default=DEFAULT_LANGUAGE)


class _Sentences(Formatter):
    """Texts with plural forms: `{n} {n:seed|seeds}` reads "1 seed" and "3 seeds"."""

    def format_field(self, value: Any, format_spec: str) -> Any:
        """Return the first of two forms for a count of one, the second for any other; other fields as ever."""
        one, is_plural, other = format_spec.partition("|")
        if not is_plural:
            return super().format_field(value, format_spec)
        return one if _ONE.fullmatch(str(value)) else other


_SENTENCES = _Sentences()


@contextmanager
def language(lang: str) -> Iterator[None]:
    """Write all sentences inside the block in a language of `LANGUAGES`: "en", English, or "zh", Chinese.

    Examples
    --------
    >>> with language("zh"):
    ...     text("count.seeds", n=3)
    '3 个随机种子'
    """
    _check(lang)
    token = _LANGUAGE.set(lang)
    try:
        yield
    finally:
        _LANGUAGE.reset(token)


def current_language() -> str:
    """Return the language that sentences are written in here: that of the innermost `language`, else English."""
    return _LANGUAGE.get()


def text(key: str, lang: str | None = None, **values: object) -> str:
    """Return the sentence of a key of the catalogue, tables and names joined by dots, with its placeholders filled.

    One value a placeholder: numbers are passed in as they are to appear (`gradflow.text.numbers`). The language is
    `current_language()` by default. Raises KeyError where the key does not exist, or a placeholder has no value,
    ValueError where the language does not exist.

    Examples
    --------
    >>> text("count.seeds", n=3)
    '3 seeds'
    """
    chosen = current_language() if lang is None else lang
    _check(chosen)
    if key not in catalogue(chosen):
        raise KeyError(f"the catalogue {chosen!r} has no text {key!r}.")
    missing = sorted(placeholders(key, chosen) - values.keys())
    if missing:
        raise KeyError(
            f"text {key!r} needs a value for {', '.join(missing)}; got {', '.join(sorted(values)) or 'none'}."
        )
    written = _SENTENCES.vformat(catalogue(chosen)[key], (), values)
    return _BETWEEN_CHINESE.sub("", written) if chosen == "zh" else written


def has(key: str) -> bool:
    """Whether there is a text of this key."""
    return key in catalogue(current_language())  # all languages have the same keys


@cache
def catalogue(lang: str) -> Mapping[str, str]:
    """Return all texts of a language by their keys, in the order of the file, which is read when first asked for."""
    import tomllib  # both are imported where they are needed: `gradflow --help` reads no text
    from importlib.resources import files

    content = files(__package__).joinpath(f"{lang}.toml").read_text(encoding="utf-8")
    return MappingProxyType(dict(_flat(tomllib.loads(content))))


def placeholders(key: str, lang: str = DEFAULT_LANGUAGE) -> set[str]:
    """Return the names of the values that a text needs.

    Examples
    --------
    >>> placeholders("count.seeds")
    {'n'}
    """
    return {name for _, name, _, _ in Formatter().parse(catalogue(lang)[key]) if name}


def _check(lang: str) -> None:
    if lang not in LANGUAGES:
        raise ValueError(f"lang must be one of {', '.join(LANGUAGES)}; got {lang!r}.")


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts of nested tables with their keys joined by dots."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
