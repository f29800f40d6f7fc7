"""Names as text: what a terminal would obey instead of show is written out."""

from __future__ import annotations

import os
import unicodedata
from typing import Any

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # how they begin (OWASP, CSV injection)
_INFINITIES = ("-inf", "+inf")  # numbers, as they are written


def is_shown(character: str) -> bool:
    """Whether a terminal shows the character, and nothing else happens."""
    return character.isprintable() or unicodedata.category(character) == "Zs"


def printable(text: object) -> str:
    r"""Return text without control characters: escape sequences, line breaks and bidi controls are written out.

    Every cell and line that the command line prints passes here: names of layers, models and runs may come from a
    stranger's folder.

    Examples
    --------
    >>> print(printable("\x1b[31mevil\n\u202e"))
    \x1b[31mevil\n\u202e
    """
    written = str(text)
    if written.isprintable():
        return written
    return "".join(one if is_shown(one) else one.encode("unicode_escape").decode("ascii") for one in written)


def utf8(path: str | os.PathLike[str]) -> str:
    r"""Return a path or name as text that any file can hold: what is no UTF-8 in it is written out.

    Examples
    --------
    >>> utf8("runs/a\udcff")
    'runs/a\\xff'
    """
    written = os.fspath(path)
    try:
        content = written.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # halves of characters that stand for no byte of a file's name
        content = written.encode("utf-8", "surrogatepass")
    return content.decode("utf-8", "backslashreplace")


def spreadsheet_text(value: Any) -> Any:
    """Return text that a spreadsheet would take for a formula with an apostrophe ahead; any other value as it is.

    All that is written as CSV passes here: names of layers, models and runs may come from a stranger's folder.

    Examples
    --------
    >>> spreadsheet_text("=1+1"), spreadsheet_text("conv1"), spreadsheet_text(-1.5)
    ("'=1+1", 'conv1', -1.5)
    """
    is_formula = isinstance(value, str) and value.startswith(_FORMULAS) and value not in _INFINITIES
    return f"'{value}" if is_formula else value


# What no reader sees and what turns the order of others round, Unicode's categories Cc (controls) and Cf (directions,
# zero widths), each as a mark; line ends and tabs stay.
UNSEEN: dict[int, str] = {
    code: "\ufffd"
    for code in (*range(0xA0), 0x61C, *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2061, 0x2070), 0xFEFF)
    if not chr(code).isprintable() and chr(code) not in "\t\n\r"
}
