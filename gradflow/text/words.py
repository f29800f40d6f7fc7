"""Words that recordings and frames hold as data, as a reader sees them: families, verdicts, kinds, settings."""

from __future__ import annotations

import re

from gradflow.text import has, text

# A family alone, with its depth, or with what tells it from others: "plain", "plain-56", "plain, lr 0.1".
_LEADING = re.compile(r"(?P<family>[a-z]+(?: [a-z]+)?)(?P<rest>-\d+|, .*)?", re.DOTALL)


def word(name: str) -> str:
    """Return a word of our own vocabulary in the current language, any other as it is.

    Examples
    --------
    >>> from gradflow.text import language
    >>> with language("zh"):
    ...     word("vanishes"), word("stem.conv1")
    ('消失', 'stem.conv1')
    """
    return text(f"word.{name}") if has(f"word.{name}") else name


def named(label: str) -> str:
    """Return a label of a network or a setting in the current language; names of a user's own stay as they are.

    Examples
    --------
    >>> from gradflow.text import language
    >>> with language("zh"):
    ...     named("plain-56"), named("residual"), named("mine"), named("plain-56-seed0")
    ('普通网络-56', '残差网络', 'mine', 'plain-56-seed0')
    """
    if has(f"word.{label}"):
        return text(f"word.{label}")
    found = _LEADING.fullmatch(label)
    if found is None or not has(f"family.{found['family']}"):
        return label
    return f"{text('family.' + found['family'])}{found['rest'] or ''}"


def network(family: str, depth: object = None) -> str:
    """Return the name of a network: its family and, if it has one, its depth.

    Examples
    --------
    >>> network("plain", 56), network("mine")
    ('plain-56', 'mine')
    """
    return named(family) if depth is None else f"{named(family)}-{depth}"
