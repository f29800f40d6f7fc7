"""Errors after training against depth, on a screen."""

from __future__ import annotations

import pandas as pd

from gradflow.analysis.degradation import ERRORS
from gradflow.figures.degradation import degradation as described
from gradflow.figures.paired import NO_PAIRS
from gradflow.notes import DEPTH_STEP
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.screen import live
from gradflow.text import text


def degradation(
    errors: pd.DataFrame,
    over_seeds: pd.DataFrame,
    published: pd.DataFrame | None = None,
    differences: pd.DataFrame = NO_PAIRS,
    *,
    first: str = "train_error",
) -> Live | None:
    """Return `gradflow.figures.degradation` of every error that was measured, or None if none was.

    Parameters
    ----------
    errors, over_seeds, differences : DataFrame
        From `gradflow.analysis.degradation`, `degradation_over_seeds` and `paired_difference`.
    published : DataFrame, optional
        From `gradflow.analysis.published`; what is much deeper than the deepest network measured is left out.
    first : str
        The error shown until a reader chooses another.
    """
    ranked = sorted(ERRORS, key=lambda error: error != first)
    measures = [error for error in ranked if over_seeds[error].notna().any()]
    if not measures:
        return None
    notes = []
    if published is not None:
        is_near = published["depth"] < over_seeds["depth"].max() + DEPTH_STEP
        notes = [] if is_near.all() else [text("live.note.deeper")]
        published = published[is_near]
    return live(described(errors, over_seeds, differences, measure=measures, published=published), 320, notes=notes)
