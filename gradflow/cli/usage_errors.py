"""Errors of usage in the language of --lang: lines that click and `gradflow.ranges` write in English.

The English texts `usage.*` are those lines; one that none of them matches stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from gradflow.text import DEFAULT_LANGUAGE, catalogue, current_language, text

_PLACEHOLDER = re.compile(r"\\\{(\w+)\\\}")


def in_language(line: str) -> str:
    """Return a line of an error in the current language; what it quotes may be in it already."""
    return line if current_language() == DEFAULT_LANGUAGE else _translated(line) or line


def _translated(line: str) -> str:
    """Return the text of the line, empty where there is none."""
    for key, pattern in _patterns():
        if found := pattern.fullmatch(line):
            values = found.groupdict()
            if "message" in values:
                values["message"] = _translated(values["message"]) or values["message"]
            if "allowed" in values:
                values["allowed"] = _translated(values["allowed"])
            if all(values.values()):
                return text(key, **values)
    return ""


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return each text with the pattern of its lines."""
    return tuple(_each_pattern())


def _each_pattern() -> Iterator[tuple[str, re.Pattern[str]]]:
    for key, said in catalogue(DEFAULT_LANGUAGE).items():
        if key.startswith("usage."):
            yield key, re.compile(_PLACEHOLDER.sub(r"(?P<\1>.+?)", re.escape(said)), re.DOTALL)
