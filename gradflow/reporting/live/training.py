"""Errors and losses along training, on a screen."""

from __future__ import annotations

import pandas as pd

from gradflow.figures.training import WINDOW
from gradflow.figures.training import training as described
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.screen import live

MAX_WINDOWS = 150  # of a run; windows grow where it has more steps


def training(frame: pd.DataFrame) -> Live | None:
    """Return `gradflow.figures.training`, or None if neither error nor loss was recorded at two steps."""
    if frame["step"].nunique() < 2:
        return None
    window = max(WINDOW, -(-int(frame["step"].max() + 1) // MAX_WINDOWS))
    figure = described(frame, window=window)
    return None if figure is None else live(figure, 320)
