"""Which numbers each setting may be, in one place for the command line, sweep files and the library."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

MAX_SHOWN = 60  # characters of a value in a message
MAX_DIGITS = 4000  # of a whole number as it is written; Python reads 4,300
MANY = 10**9
FLOAT_LEAST, FLOAT_MOST = 1e-30, 1e30  # products of two settings stay inside float32

_WHOLE = re.compile(r"[+-]?[0-9]+(_[0-9]+)*")
_NUMBER = re.compile(r"[+-]?(([0-9]+(_[0-9]+)*\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE)


@dataclass(frozen=True)
class Range:
    """The numbers that a setting may be.

    `allowed` says what makes sense at all, in words: "a positive number". `low` and `high` say the same as numbers;
    `high` itself is not among them, nor is `low` where `is_low_open`. `least` and `most` are what can be computed with:
    a value outside is a slip of the keyboard. The unit is in the plural: "seconds".

    Examples
    --------
    >>> RANGES["workers"].complaint("workers", 0), RANGES["workers"].complaint("workers", 2)
    ('workers must be at least 1; got 0.', '')
    """

    allowed: str
    low: float
    high: float = math.inf
    least: float = -math.inf
    most: float = math.inf
    is_low_open: bool = False
    is_whole: bool = False
    unit: str = ""

    def complaint(self, name: str, value: object, written: str = "") -> str:
        """Return what is wrong with a value, in a line that shows it, or as it was `written`; nothing if it may be."""
        unmet = self._unmet(value)
        return f"{name.replace('_', ' ')} must be {unmet}; got {written or shown(value)}." if unmet else ""

    def _unmet(self, value: object) -> str:
        if isinstance(value, bool) or not isinstance(value, int if self.is_whole else int | float):
            return f"a whole number of {self.allowed}" if self.is_whole else self.allowed
        if not self.low <= value < self.high or (self.is_low_open and value == self.low):
            return self.allowed
        unit = f" {self.unit}" if self.unit else ""
        if value < self.least:
            return f"at least {_bound(self.least)}{unit}"
        return f"at most {_bound(self.most)}{unit}" if value > self.most else ""

    def read(self, name: str, word: str) -> int | float:
        """Return the number that a word is, as TOML writes numbers.

        Raises ValueError, in one line, where it is none, or one that the setting may not be.

        Examples
        --------
        >>> RANGES["steps"].read("steps", "300"), RANGES["lr"].read("lr", " 1e-3 ")
        (300, 0.001)
        """
        value = self._number(word.strip())
        wrong = self.complaint(name, value, shown(word) if isinstance(value, str) else shown(word.strip())[1:-1])
        if wrong:
            raise ValueError(wrong)
        assert isinstance(value, int | float)
        return value

    def _number(self, word: str) -> object:
        """Return the number that a word is, or the word."""
        if _WHOLE.fullmatch(word):
            if len(word) > MAX_DIGITS:
                return -(10**MAX_DIGITS) if word.startswith("-") else 10**MAX_DIGITS
            return int(word) if self.is_whole else float(word)
        return float(word) if _NUMBER.fullmatch(word) and not self.is_whole else word


def _whole(low: int, most: int, unit: str = "") -> Range:
    return Range(f"at least {low}", low, most=most, is_whole=True, unit=unit)


_COUNT, _SIZE, _DEPTH = _whole(1, MANY), _whole(1, 65_536), _whole(1, 10_000)
_POSITIVE = Range("a positive number", 0, least=FLOAT_LEAST, most=FLOAT_MOST, is_low_open=True)

# By the names that settings have in files and in Python. A network's options are under its sizes' names.
RANGES: Mapping[str, Range] = MappingProxyType(
    {
        "depth": _DEPTH,
        "seed": _whole(0, 2**63 - 1),
        "seeds": _whole(1, 10_000),
        "steps": _COUNT,
        "batch_size": _COUNT,
        "accumulate": _COUNT,
        "lr": _POSITIVE,
        "momentum": Range("at least 0 and below 1", 0, 1),
        "weight_decay": Range("a number of at least 0", 0, most=1e6),
        "milestones": _COUNT,
        "warmup": _whole(0, MANY),
        "warmup_until": Range("a fraction above 0 and below 1", 0, 1, is_low_open=True),
        "clip": _POSITIVE,
        "record_every": _COUNT,
        "eval_every": _COUNT,
        "processes": _whole(1, 65_536),
        "size": _SIZE,  # of a layer, a patch
        "input": _COUNT,
        "blocks": _DEPTH,
        "n_inputs": _whole(2, 10**6),
        "workers": _whole(1, 1024),
        "checkpoint_every": Range(
            "a positive number of seconds", 0, least=1e-3, most=1e9, is_low_open=True, unit="seconds"
        ),
        "gpus_per_run": Range("a number of at least 0", 0, most=1024),
        "retries": _whole(0, 1000),
        "repeats": _whole(1, 10_000),
        "interval": Range("a number of at least 0.1 seconds", 0.1, most=86_400, unit="seconds"),
        "layers": _COUNT,  # of theory, where none is built
        "bound": Range("above 0 and below 1", 0, 1, least=FLOAT_LEAST, is_low_open=True),
        # the square of a slope is still far inside float64
        "slope": Range("from -1e+06 to 1e+06", -1e6, math.nextafter(1e6, math.inf)),
    }
)


def beginning(name: str, low: int) -> Range:
    """Return a whole setting's range where it begins later."""
    return replace(RANGES[name], allowed=f"at least {low}", low=low)


def is_whole(word: str) -> bool:
    """Whether a word is a whole number."""
    return _WHOLE.fullmatch(word.strip()) is not None


def shown(value: object) -> str:
    """Return a value in few characters for a message, whatever it holds.

    Examples
    --------
    >>> shown(0.5), shown("x"), shown([1, 2]), shown(10**5000)
    ('0.5', "'x'", '[1, 2]', 'a number of 5001 digits')
    """
    return _SHORT.repr(value)


class _Short(reprlib.Repr):
    """Values as Python writes them, but cut where they are long, deep or of many digits."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = MAX_SHOWN

    def repr_int(self, value: int, level: int) -> str:
        """Return a whole number, or how many digits it has."""
        return str(value) if abs(value) < 10**MAX_SHOWN else f"a number of {int(math.log10(abs(value))) + 1} digits"


_SHORT = _Short()


def _bound(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"
