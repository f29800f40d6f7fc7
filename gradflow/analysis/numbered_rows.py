"""Rows of a recording's tables by step, and whose they are as numbers: of millions of rows names are compared once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from gradflow.analysis.intervals import Floats, Ints
from gradflow.analysis.remembered import remembered
from gradflow.recording import Recording

Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]
Values = Floats | Ints
BLOCK_ROWS = 500_000  # of millions, what is computed at once: more takes memory, fewer takes time


class Numbered(NamedTuple):
    """Who rows belong to: the `place` of each row's key among the different `keys`, in order of appearance."""

    place: Ints
    keys: list[tuple[str, ...]]

    def largest(self, values: Values, rows: Ints | Flags | None = None) -> Floats:
        """Return the largest value of each key, of all its rows or of some; NaN where it has none."""
        if rows is not None:
            return Numbered(self.place[rows], self.keys).largest(values[rows])
        return self._reduced(np.fmax, values)

    def smallest(self, values: Values) -> Floats:
        """Return the smallest value of each key; NaN where it has none."""
        return self._reduced(np.fmin, values)

    def number_of(self, is_counted: Flags) -> Ints:
        """Return how many of its rows count, for each key."""
        found = np.zeros(len(self.keys), dtype=np.int64)
        for piece in self._pieces():
            found += np.bincount(self.place[piece][is_counted[piece]], minlength=len(found))
        return found

    def _reduced(self, extreme: np.ufunc, values: Values) -> Floats:
        found: Floats = np.full(len(self.keys), np.nan)
        for piece in self._pieces():
            extreme.at(found, self.place[piece], values[piece].astype(np.float64))
        return found

    def _pieces(self) -> list[slice]:
        return [slice(start, start + BLOCK_ROWS) for start in range(0, len(self.place), BLOCK_ROWS)]


def between(frame: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """Return the rows of steps from the first to the last, both included, of a table of a recording.

    Its rows are in order of steps, so that nothing is compared or copied.

    Examples
    --------
    >>> recording = Recording(steps=pd.DataFrame({"step": [2, 0, 1], "loss": [1.0, 3.0, 2.0]}))
    >>> between(recording.steps, 1, 2)["loss"].tolist()
    [2.0, 1.0]
    """
    step = frame["step"].to_numpy()
    return frame.iloc[np.searchsorted(step, first) : np.searchsorted(step, last, side="right")]


@remembered
def numbered_layers(recording: Recording) -> Numbered:
    """Return which layer each row of `layers` is of."""
    return numbered(recording.layers, ["layer"])


@remembered
def numbered_parameters(recording: Recording) -> Numbered:
    """Return which parameter, or which part of one, each row of `parameters` is of."""
    return numbered(recording.parameters, ["layer", "parameter", "part"])


def numbered(rows: pd.DataFrame, names: list[str]) -> Numbered:
    """Return which different values of some columns of words each row has.

    Examples
    --------
    >>> numbered(pd.DataFrame({"layer": ["a", "b", "a"], "parameter": "weight"}), ["layer", "parameter"]).keys
    [('a', 'weight'), ('b', 'weight')]
    """
    place: Ints = np.zeros(len(rows), dtype=np.int32)
    keys = list[tuple[str, ...]]([()] if len(rows) else [])
    for name in names:
        of_word, words = _numbered_words(rows[name])
        if len(keys) == 1:
            place, keys = of_word, [(*keys[0], word) for word in words]
            continue
        if len(words) == 1:  # as of most parts
            keys = [(*key, words[0]) for key in keys]
            continue
        place, pairs = pd.factorize(place * len(words) + of_word)
        place = place.astype(np.int32)
        keys = [(*keys[pair // len(words)], words[pair % len(words)]) for pair in pairs.tolist()]
    return Numbered(place, keys)


def _numbered_words(column: pd.Series[str]) -> tuple[Ints, list[str]]:
    """Return the different words of a column, and which of them each row has."""
    found = np.zeros(len(column), dtype=np.int32)  # of millions of rows half as much memory
    known: dict[str, int] = {}
    for start in range(0, len(column), BLOCK_ROWS):
        of_word, words = column.iloc[start : start + BLOCK_ROWS].factorize()
        places = np.array([known.setdefault(str(word), len(known)) for word in words], dtype=np.int32)
        found[start : start + BLOCK_ROWS] = places[of_word]
    return found, list(known)


def blocks(step: Ints, n_rows: int = BLOCK_ROWS) -> Iterator[slice]:
    """Yield slices of whole steps, in order, of about so many rows: what is computed of millions at once takes memory.

    Examples
    --------
    >>> [step[rows].tolist() for step in [np.array([0, 0, 1, 1, 2])] for rows in blocks(step, 3)]
    [[0, 0, 1, 1], [2]]
    """
    start = 0
    while start < len(step):
        last = step[min(start + n_rows, len(step)) - 1]
        stop = int(np.searchsorted(step, last, side="right"))
        yield slice(start, stop)
        start = stop
