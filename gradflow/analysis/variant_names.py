"""How the settings that tell runs apart are compared and read: "lr 0.1", "batch norm", "no clip"."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from typing import NamedTuple

SOURCE = "source"  # meta key: the folder that a run came from, where two folders hold the same run
_BY_VALUE = ("model", "block", "activation", "optimizer", "schedule", "precision", "data", SOURCE)
_AFTER_VALUE = ("norm", "init")
_SHORT = {"batch_size": "batch", "n_train": "images", "precision": "", "warmup_until": "warm-up until"}
_OFF = ("[]", "{}")
_WORD = "="  # marks a word, which is no JSON
_LONGEST = 24  # characters of a value


class Described(NamedTuple):
    """One recording as variants are told: its group, its depth and seed, and its settings as JSON."""

    group: tuple[str, str]
    depth: object
    seed: object
    values: Mapping[str, str]


def canonical(value: object) -> str:
    """Return a value as JSON, 1 and 1.0 alike, words as they are, and an empty string for whatever says "none"."""
    if isinstance(value, str):
        return "" if value == "none" else f"{_WORD}{value}" if value else ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):  # of integers that no float holds, which stay as they are
            return json.dumps(float(value))
    if value is None or value is False:  # as most are
        return ""
    text = json.dumps(value, sort_keys=True, default=str)
    return "" if text in _OFF else text


class Names:
    """How values of some settings read: short, and never two alike."""

    def __init__(self, runs: list[Described], names: Set[str]) -> None:
        self._texts: dict[tuple[str, str], str] = {}
        absent = {name for name in names if any(name not in run.values for run in runs)}
        taken: dict[str, int] = {}
        for name, value in sorted({(name, run.values[name]) for run in runs for name in names & run.values.keys()}):
            text = "" if not value and name in absent else _read(name, value)
            taken[text] = taken.get(text, 0) + 1
            self._texts[name, value] = f"{text} ({taken[text]})" if text and taken[text] > 1 else text

    def text(self, run: Described, names: Iterable[str]) -> str:
        """Return the run's values of some settings, "sgd, lr 0.1"; what it does not have is left out."""
        return ", ".join(filter(None, (self._texts.get((name, run.values.get(name, "")), "") for name in names)))


def _read(name: str, value: str) -> str:
    """Return a setting as a reader would write it: "lr 0.1", "batch norm", "no clip", "sgd".

    Examples
    --------
    >>> _read("lr", "0.1"), _read("norm", ""), _read("widths", "[16, 32]"), _read("optimizer", "=sgd")
    ('lr 0.1', 'no norm', 'widths 16-32', 'sgd')
    """
    called = _SHORT.get(name, name).replace("_", " ")
    if not value:
        return f"no {called}" if name not in _BY_VALUE else ""
    if value == "true":
        return called
    shown = _shown(value.removeprefix(_WORD) if value.startswith(_WORD) else json.loads(value))
    if name in _BY_VALUE:
        return shown
    return f"{shown} {called}" if name in _AFTER_VALUE else f"{called} {shown}"


def _shown(value: object) -> str:
    """Return a value in few characters, without the comma that separates settings."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "-".join(_shown(float(one) if isinstance(one, int) else one) for one in value)
    text = " ".join(str(value).replace(",", ";").split())
    head, _, tail = text.rpartition("/")
    text = tail if head.count("/") > 1 or head.startswith(("/", "data:")) else text
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 8]}…{text[-7:]}"
