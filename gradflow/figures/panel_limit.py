"""Fewer networks, where there are more than a figure has panels for."""

from __future__ import annotations

import pandas as pd

from gradflow.text import text

MAX_PANELS = 24


def few_enough(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of as many networks as a figure has panels for: depths left out evenly, the ends never."""
    pairs = frame[["family", "depth"]].drop_duplicates()
    depths = sorted(int(depth) for depth in pairs["depth"].dropna().unique())
    most = max(2, MAX_PANELS // pairs["family"].nunique())
    if len(pairs) <= MAX_PANELS or len(depths) <= most:
        return frame
    kept = {depths[round(place * (len(depths) - 1) / (most - 1))] for place in range(most)}
    return frame[frame["depth"].isna() | frame["depth"].isin(list(kept))]


def networks_note(shown: pd.DataFrame, frame: pd.DataFrame) -> str:
    """Return how many networks are drawn, or nothing if all are."""
    few, every = (len(rows[["family", "depth"]].drop_duplicates()) for rows in (shown, frame))
    return "" if few == every else text("figure.some_networks", shown=few, n=every)
