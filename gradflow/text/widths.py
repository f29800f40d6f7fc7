"""Text in columns: Chinese characters take two, and lines of them break anywhere but before their punctuation."""

from __future__ import annotations

import re
import unicodedata

from gradflow.text.controls import printable

_WIDE = "WF"  # of unicodedata.east_asian_width
# A word with the spaces behind it, or one wide character with the punctuation that may not begin a line. Compiled on
# first use, not on import: it takes 5 ms, and --help wraps nothing.
_CLOSING = "，。；：、！？）》」』”％"
_OPENING = "（《「『“"
_PERCENT = "(?: %[^ \u2e80-\uffef]*)?"  # which stays on the line of its number
_PIECE = f"[{_OPENING}]*[^ \u2e80-\uffef]+{_PERCENT}[{_CLOSING}]* *|[{_OPENING}]*[\u2e80-\uffef][{_CLOSING}]* *| +"


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes.

    Examples
    --------
    >>> columns("depth"), columns("深度")
    (5, 4)
    """
    return sum(_columns_of(character) for character in text)


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Return text filled with spaces to a width in columns; `right` puts it flush right."""
    space = " " * (width - columns(text))
    return space + text if right else text + space


def wrapped(text: str, width: int, *, first: str = "", indent: str = "") -> list[str]:
    """Return a text as lines of at most so many columns; one longer word has a line of its own.

    Spaces between words are kept as they are; line breaks in it are spaces. `first` stands before the first line,
    `indent` before all others.

    Examples
    --------
    >>> wrapped("gradients vanish", 10)
    ['gradients', 'vanish']
    >>> wrapped("梯度消失。", 8)
    ['梯度消', '失。']
    """
    pieces = re.findall(_PIECE, " ".join(text.split("\n")))
    lines, line, has_words = [], first, False
    for piece in pieces:
        if has_words and columns(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line, has_words = indent, False
        if piece.strip() or has_words:
            line += piece
            has_words = True
    return [*lines, line.rstrip()] if has_words else lines


def shortened(name: object, width: int) -> str:
    """Return a name as text, cut in the middle where it takes more columns: its ends tell most.

    Examples
    --------
    >>> shortened("features.denseblock4.conv1", 15)
    'feature…4.conv1'
    """
    shown = printable(name)
    if columns(shown) <= width:
        return shown
    ahead = _leading(shown, (width - 1) // 2)
    behind = _leading(shown[::-1], width - 1 - columns(ahead))
    return f"{ahead}…{behind[::-1]}"


def _leading(text: str, width: int) -> str:
    """Return as many of a text's first characters as fit."""
    taken = 0
    for place, character in enumerate(text):
        taken += _columns_of(character)
        if taken > width:
            return text[:place]
    return text


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1
