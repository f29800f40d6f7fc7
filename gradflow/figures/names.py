"""Names as labels: on one line, never longer than asked, never read as mathematics; and their order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import pandas as pd

from gradflow.analysis.variants import network_name
from gradflow.text import has, text
from gradflow.text.words import named

LABEL_LENGTH, TAIL = 26, 8  # characters of a name in a legend, and of its end where it is cut
_NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:e-?\d+)?)", re.ASCII)


def called(key: str, name: str) -> str:
    """Return the text of a key or, of what a user named, the name as it is."""
    return text(key) if has(key) else name


def run_name(row: Any) -> str:
    """Return what a run is called where one is chosen: by its network and seed, or by its own name without a seed.

    Examples
    --------
    >>> run_name({"run": "plain-20-seed0-1a2b", "family": "plain", "depth": 20, "seed": 0})
    'plain-20, seed 0'
    """
    if pd.isna(row["seed"]):
        return named(str(row["run"]))
    network = str(row["family"]) if pd.isna(row["depth"]) else network_name(str(row["family"]), row["depth"])
    return text("list.enumeration").join([named(network), text("live.seed", seed=row["seed"])])


def shorten(name: str, length: int = LABEL_LENGTH, tail: int = TAIL) -> str:
    """Return a name as a label: on one line, cut if long, `tail` characters before its end or in the middle.

    A dollar sign would start mathematics and a leading underscore hide the entry: neither may. What is no character
    to be drawn is left out. Names of our own, of families and settings, are in the current language.
    """
    name = clean(named(name))
    if len(name) > length:
        tail = min(tail, max(length - 2, 1) // 2)
        name = f"{name[: length - 1 - tail]}…{name[-tail:]}"
    return printed(f"{' ' * name.startswith('_')}{name}")


def short_names(names: Iterable[str], length: int = LABEL_LENGTH, tail: int = TAIL) -> dict[str, str]:
    """Return each name as `shorten` gives it, all of them longer where two would read alike."""
    every = set(names)
    longest = max(map(len, every), default=0)
    while True:
        found = {name: shorten(name, length, tail) for name in every}
        if len(set(found.values())) == len(every) or length >= longest:
            return found
        length += 8


def printed(name: str) -> str:
    """Return a name on one line for paper, where dollar signs would be mathematics."""
    return clean(name).replace("$", r"\$")


def clean(name: str) -> str:
    """Return a name on one line, without what is no character to be drawn."""
    return "".join(_drawn(character) for character in name)


def _drawn(character: str) -> str:
    """Return a character as it can be drawn: spaces for breaks, nothing for controls and directions."""
    kind = unicodedata.category(character)
    if kind in ("Zs", "Zl", "Zp") or character in "\t\n\r":
        return " "
    return "\ufffd" if kind in ("Cs", "Co", "Cn") else "" if kind in ("Cc", "Cf") else character


def in_order(families: Iterable[str]) -> list[str]:
    """Return families by alphabet, and the numbers in them by size.

    Examples
    --------
    >>> in_order(["plain, width 128", "plain, width 16"])
    ['plain, width 16', 'plain, width 128']
    """
    return sorted(set(families), key=_by_number)


def _by_number(name: str) -> tuple[list[tuple[str, float]], str]:
    parts = _NUMBER.split(name)
    return [(word, float(number)) for word, number in zip(parts[::2], [*parts[1::2], "0"], strict=True)], name
