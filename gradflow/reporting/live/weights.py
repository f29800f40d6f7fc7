"""Weight growth on a screen."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from gradflow.figures.weights import weights as described
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.screen import live
from gradflow.reporting.live.thinning import even_steps

MAX_STEPS = 150


def weights(frames: Mapping[str, pd.DataFrame]) -> Live | None:
    """Return `gradflow.figures.weights` at few enough steps, or None if there is no frame."""
    thin = {
        measure: frame[frame["step"].isin(even_steps(frame["step"].unique().tolist(), MAX_STEPS))]
        for measure, frame in frames.items()
    }
    return live(described(thin)) if thin else None
