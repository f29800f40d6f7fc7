"""Words that recordings and frames hold as data, as a reader sees them: families, verdicts, kinds, settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gradflow.text import has, text
from gradflow.text.numbers import count

_PRESET = "preset."  # begins the keys of what presets say of themselves
_SEPARATOR = ", "  # between a family and what tells its variants apart
_FAMILY = re.compile(r"(?P<family>[a-z]+(?:-[a-z]+)*)(?P<depth>-\d+)?")


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


def head(name: str, table: str = "") -> str:
    """Return the head of a column or the name of a fact: the table's own, or what all call it.

    Examples
    --------
    >>> head("depth"), head("seeds", "cli.column"), head("weight_decay", "fact")
    ('depth', 'n', 'weight decay')
    """
    own, spaced = f"{table}.{name}", name.replace("_", " ")
    shared = (f"head.{name}", f"measure.{name}", f"setting.{spaced}", f"word.{spaced}", f"word.{name}")
    return text(next((key for key in (own, *shared) if has(key)), own))


def heading(name: str, table: str = "") -> str:
    """Return `head` as the report has it: what all call it begins with a capital letter.

    Examples
    --------
    >>> heading("depth"), heading("effective_lr", "column")
    ('Depth', 'lr / |w|², end over start')
    """
    return head(name, table) if has(f"{table}.{name}") else sentence_case(head(name))


def sentence_case(words: str) -> str:
    """Return words with a capital letter at the beginning.

    Examples
    --------
    >>> sentence_case("plain and residual")
    'Plain and residual'
    """
    return words[:1].upper() + words[1:]


def named(label: str) -> str:
    """Return a label of a network or a setting in the current language; names of a user's own stay as they are.

    Examples
    --------
    >>> from gradflow.text import language
    >>> with language("zh"):
    ...     named("plain-56"), named("plain-56, lr 0.1"), named("mine"), named("plain-56-seed0")
    ('普通网络-56', '普通网络-56，学习率 0.1', 'mine', 'plain-56-seed0')
    """
    parts = label.split(_SEPARATOR)
    for known in range(len(parts), 0, -1):
        first = _SEPARATOR.join(parts[:known])
        called = word(first) if has(f"word.{first}") else _family(first)
        if called:
            return text("list.separator").join([called, *map(_setting, parts[known:])])
    return label


def sentences(*found: str) -> str:
    """Return those that say something, one after the other.

    Examples
    --------
    >>> sentences("One.", "", "Two.")
    'One. Two.'
    """
    return text("list.sentences").join(filter(None, found))


def said(words: str, lang: str | None = None) -> str:
    """Return what a sweep says of itself: the text of a preset's key, or a user's own words as they are.

    Examples
    --------
    >>> said("preset.smoke.title"), said("A title of mine")
    ('Smoke test', 'A title of mine')
    """
    return text(words, lang) if words.startswith(_PRESET) and has(words) else words


def scaled_from(preset: str, how: str) -> str:
    """Return the sentence on what a scaled version is scaled from, and how."""
    if preset:
        return text("sweep.scaled", what=preset, how=said(how))
    return text("sweep.scaled_file", how=said(how))


def loss_words(meta: Mapping[str, Any]) -> str:
    """Return what loss a recording's meta says that gradients are of, empty where it says none.

    Examples
    --------
    >>> loss_words({"loss": "cross-entropy"}), loss_words({"loss": "loss_fn", "loss_fn": "focal"})
    ('cross-entropy', 'focal, passed by the caller')
    """
    name = str(meta.get("loss") or "")
    key = f"analyze.loss.{name}"
    return text(key, name=meta.get("loss_fn"), seed=meta.get("loss_seed")) if has(key) else name


def law_words(shape: str, trend: str) -> str:
    """Return a closed form's law in a word or two: its trend, and its shape unless that is the plain one.

    Examples
    --------
    >>> law_words("exponential", "vanishes"), law_words("power law", "vanishes")
    ('vanishes', 'falls, power law')
    """
    key = f"theory.short.{shape.replace(' ', '_')}.{trend}"
    return text(key) if has(key) else word(trend)


def _family(name: str) -> str:
    """Return a family, with its depth if it has one, or an empty string for any other name."""
    found = _FAMILY.fullmatch(name)
    if found is None or not has(f"family.{found['family']}"):
        return ""
    return f"{text('family.' + found['family'])}{found['depth'] or ''}"


def _setting(part: str) -> str:
    """Return what tells variants apart, "lr 0.1" or "no clip", with the setting's name in the current language."""
    name, _, value = part.rpartition(" ")
    if has(f"word.{part}"):
        return word(part)
    if part.startswith("no ") and has(f"setting.{part[3:]}"):
        return text("list.without", setting=text(f"setting.{part[3:]}"))
    if has(f"setting.{part}"):
        return text(f"setting.{part}")
    return f"{text(f'setting.{name}')} {value}" if has(f"setting.{name}") else part


def not_shown(n: int) -> str:
    """Return the sentence on the layers beside the main path that a table leaves out; empty for none.

    Examples
    --------
    >>> not_shown(2)
    'Not shown: 2 layers on other paths (towers, experts, shortcuts).'
    """
    return text("words.not_shown", layers=count(n, "layers")) if n else ""
