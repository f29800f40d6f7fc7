"""What comes back through the skip at each join, on a screen."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from gradflow.figures.contribution import contribution
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.screen import live
from gradflow.reporting.live.thinning import MAX_STEPS, few_steps


def skips(frames: Mapping[str, pd.DataFrame]) -> Live | None:
    """Return `gradflow.figures.contribution` at few enough steps, or None if nothing was measured.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        By measure, from `gradflow.analysis.contribution_over_seeds`, at all recorded steps.
    """
    known = {measure: frame[frame["mean"].notna()] for measure, frame in frames.items()}
    steps = few_steps([step for frame in known.values() for step in frame["step"].unique()], MAX_STEPS)
    thin = {measure: rows for measure, frame in known.items() if len(rows := frame[frame["step"].isin(steps)])}
    return live(contribution(thin)) if thin else None
