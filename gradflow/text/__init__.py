"""Every sentence a user reads, by key and language, and the numbers in it as they are written."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from types import MappingProxyType

from gradflow.text.english import ENGLISH

LANGUAGES: Mapping[str, Mapping[str, str]] = MappingProxyType({"en": ENGLISH})
DEFAULT_LANGUAGE = "en"


def text(key: str, lang: str = DEFAULT_LANGUAGE, **values: object) -> str:
    """Return the sentence of a key with its placeholders filled.

    Parameters
    ----------
    key : str
        As in `keys`.
    lang : str
        One of `LANGUAGES`.
    **values : object
        One value a placeholder: numbers are passed in as they are to appear (`gradflow.text.numbers`).

    Raises
    ------
    KeyError
        The key or the language does not exist, or a placeholder has no value.

    Examples
    --------
    >>> text("seeds.many", n=3)
    '3 seeds'
    """
    if lang not in LANGUAGES:
        raise KeyError(f"lang must be one of {', '.join(LANGUAGES)}; got {lang!r}.")
    if key not in LANGUAGES[lang]:
        raise KeyError(f"the catalogue {lang!r} has no text {key!r}.")
    missing = sorted(placeholders(key, lang) - values.keys())
    if missing:
        raise KeyError(
            f"text {key!r} needs a value for {', '.join(missing)}; got {', '.join(sorted(values)) or 'none'}."
        )
    return LANGUAGES[lang][key].format(**values)


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
