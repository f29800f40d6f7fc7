"""Rows of a recording's tables by step, and whose they are as numbers: of millions of rows names are compared once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from gradflow.analysis.intervals import Floats, Ints
from gradflow.analysis.remembered import remembered
from gradflow.recording import Recording


class Numbered(NamedTuple):
    """Who rows belong to: the `place` of each row's key among the different `keys`, in order of appearance."""

    place: Ints
    keys: list[tuple[str, ...]]

    def largest(self, values: Floats, rows: Ints | np.ndarray[tuple[int], np.dtype[np.bool_]] | None = None) -> Floats:
        """Return the largest value of each key, of all its rows or of some; NaN where it has none."""
        found: Floats = np.full(len(self.keys), np.nan)
        np.fmax.at(found, *((self.place, values) if rows is None else (self.place[rows], values[rows])))
        return found

    def smallest(self, values: Floats) -> Floats:
        """Return the smallest value of each key; NaN where it has none."""
        found: Floats = np.full(len(self.keys), np.nan)
        np.fmin.at(found, self.place, values)
        return found

    def number_of(self, is_counted: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Ints:
        """Return how many of its rows count, for each key."""
        return np.bincount(self.place[is_counted], minlength=len(self.keys))


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
    place: Ints = np.zeros(len(rows), dtype=np.int64)
    keys = list[tuple[str, ...]]([()] if len(rows) else [])
    for name in names:
        of_key, words = rows[name].factorize()
        place, pairs = pd.factorize(place * len(words) + of_key)
        keys = [(*keys[pair // len(words)], str(words[pair % len(words)])) for pair in pairs.tolist()]
    return Numbered(place, keys)
