"""One network's gradient as it is, and without the share of either path, on a screen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from gradflow.figures.counterfactual import counterfactual
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.screen import live
from gradflow.reporting.live.thinning import MAX_DOTS


def skips_without(frame: pd.DataFrame) -> Live | None:
    """Return `gradflow.figures.counterfactual`, the deepest network first; None if nothing was measured."""
    is_gone = frame["mean"].isna() & (frame["n_nonfinite"] > 0)
    known = frame.assign(mean=frame["mean"].mask(is_gone, np.inf)).dropna(subset=["mean"])
    if known.empty:
        return None
    figure = counterfactual(known, every=True)
    (facet,) = figure.facets
    deepest_first = replace(facet, names=dict(list(facet.names.items())[::-1]))
    has_dots = bool(known["layer_depth"].max() <= MAX_DOTS)
    return live(replace(figure, facets=(deepest_first,)), 320, has_dots=has_dots)
