"""What a page leaves out of long recordings, by rules that it states; the tables beside it hold everything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gradflow.analysis.profile import few_steps

MAX_DOTS = 40  # values of a line up to which each has its dot
MAX_STEPS, MIN_STEPS = 12, 5  # that a reader chooses from


def steps_within(steps: Sequence[int], n_rows: int, most_rows: int) -> list[int]:
    """Return `few_steps` of so many rows each, at most twelve, and fewer where there would be too many rows."""
    return few_steps(steps, int(np.clip(most_rows // n_rows, MIN_STEPS, MAX_STEPS)))


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
