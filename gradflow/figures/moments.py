"""Moments of training as what splits a figure: panels on paper, a choice on the screen."""

from __future__ import annotations

import pandas as pd

from gradflow.figures.model import Facet
from gradflow.text import text


def steps_facet(frame: pd.DataFrame, moment: str | None = None, *, shares_y: bool = True) -> Facet:
    """Return the facet of the recorded steps; `moment` is what all of them are called, if not by their updates."""
    steps = sorted(int(step) for step in frame["step"].unique())
    names = {str(step): text("figure.after", n=step) if step else text("figure.before") for step in steps}
    titles = {step: moment or name for step, name in names.items()}
    return Facet("step", text("live.step"), names, titles, shares_y=shares_y)
