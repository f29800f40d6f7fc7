"""The degree of vanishing over training, on a screen."""

from __future__ import annotations

import pandas as pd

from gradflow.figures.degree import MEASURES
from gradflow.figures.degree import degree as described
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.screen import live


def degree(frame: pd.DataFrame) -> Live | None:
    """Return `gradflow.figures.degree`, or None if no gradient was recorded at two moments of training."""
    known = frame[frame["measure"].isin(MEASURES) & frame["decades"].notna()]
    return live(described(frame)) if known["moment"].nunique() > 1 else None
