"""Every sentence a user reads, by key and language, and the numbers in it as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from string import Formatter
from types import MappingProxyType

from gradflow.text.chinese import CHINESE
from gradflow.text.english import ENGLISH

LANGUAGES: Mapping[str, Mapping[str, str]] = MappingProxyType({"en": ENGLISH, "zh": CHINESE})
DEFAULT_LANGUAGE = "en"
_BETWEEN_CHINESE = re.compile(r"(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])")  # spaces that a label leaves there
# The language is where the caller is, not an argument: a sentence passes through a dozen functions that have no other
# use for it.
_LANGUAGE: ContextVar[str] = ContextVar("gradflow_language", default=DEFAULT_LANGUAGE)


@contextmanager
def language(lang: str) -> Iterator[None]:
    """Write all sentences inside the block in a language.

    Parameters
    ----------
    lang : str
        One of `LANGUAGES`: "en", English, or "zh", Chinese.

    Raises
    ------
    ValueError
        The language does not exist.

    Examples
    --------
    >>> with language("zh"):
    ...     text("seeds.many", n=3)
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
    """Return the sentence of a key with its placeholders filled.

    Parameters
    ----------
    key : str
        As in `keys`.
    lang : str, optional
        One of `LANGUAGES`; by default `current_language()`.
    **values : object
        One value a placeholder: numbers are passed in as they are to appear (`gradflow.text.numbers`).

    Raises
    ------
    KeyError
        The key does not exist, or a placeholder has no value.
    ValueError
        The language does not exist.

    Examples
    --------
    >>> text("seeds.many", n=3)
    '3 seeds'
    """
    chosen = current_language() if lang is None else lang
    _check(chosen)
    if key not in LANGUAGES[chosen]:
        raise KeyError(f"the catalogue {chosen!r} has no text {key!r}.")
    missing = sorted(placeholders(key, chosen) - values.keys())
    if missing:
        raise KeyError(
            f"text {key!r} needs a value for {', '.join(missing)}; got {', '.join(sorted(values)) or 'none'}."
        )
    written = LANGUAGES[chosen][key].format(**values)
    return _BETWEEN_CHINESE.sub("", written) if chosen == "zh" else written


def has(key: str) -> bool:
    """Whether there is a text of this key."""
    return key in LANGUAGES[DEFAULT_LANGUAGE]


def keys(lang: str = DEFAULT_LANGUAGE) -> tuple[str, ...]:
    """Return all keys of a catalogue, sorted."""
    return tuple(sorted(LANGUAGES[lang]))


def placeholders(key: str, lang: str = DEFAULT_LANGUAGE) -> set[str]:
    """Return the names of the values that a text needs.

    Examples
    --------
    >>> placeholders("seeds.many")
    {'n'}
    """
    return {name for _, name, _, _ in Formatter().parse(LANGUAGES[lang][key]) if name}


def _check(lang: str) -> None:
    if lang not in LANGUAGES:
        raise ValueError(f"lang must be one of {', '.join(LANGUAGES)}; got {lang!r}.")
