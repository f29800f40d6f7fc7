"""What a page leaves out of long recordings, by rules that it states; the tables beside it hold everything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gradflow.analysis.profile import MOMENTS

MAX_DOTS = 40  # values of a line up to which each has its dot
MAX_STEPS, MIN_STEPS = 12, 5  # that a reader chooses from


def steps_within(steps: Sequence[int], n_rows: int, most_rows: int) -> list[int]:
    """Return `few_steps` of so many rows each, at most twelve, and fewer where there would be too many rows."""
    return few_steps(steps, int(np.clip(most_rows // n_rows, MIN_STEPS, MAX_STEPS)))


def few_steps(steps: Sequence[int], most: int) -> list[int]:
    """Return at most so many steps: the first, the last, those of `MOMENTS`, and between them evenly in logarithm.

    Examples
    --------
    >>> few_steps(range(0, 301, 10), 6)
    [0, 10, 30, 100, 170, 300]
    """
    found = sorted({int(step) for step in steps})
    if len(found) <= most:
        return found
    kept = dict.fromkeys([found[0], found[-1], *(step for step in MOMENTS if step in found)][:most])
    logs = np.log1p(np.asarray(found, dtype=np.float64) - found[0])
    while len(kept) < most:
        distance = np.min([np.abs(logs - logs[found.index(step)]) for step in kept], axis=0)
        kept[found[int(distance.argmax())]] = None
    return sorted(kept)


def even_steps(steps: Sequence[int], most: int) -> list[int]:
    """Return at most so many steps, evenly from the first to the last recorded one.

    Examples
    --------
    >>> even_steps(range(11), 3)
    [0, 5, 10]
    """
    found = sorted({int(step) for step in steps})
    places = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))
    return [found[place] for place in places]


def even_layers(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the rows of at most so many layers of each run, evenly from the first to the last in depth."""
    deepest = frame.groupby("run")["layer_depth"].transform("max")
    if not len(frame) or deepest.max() <= most:
        return frame
    every = np.ceil(deepest / most)
    is_kept = ((frame["layer_depth"] - 1) % every == 0) | (frame["layer_depth"] == deepest)
    kept: pd.DataFrame = frame.loc[is_kept]
    return kept
