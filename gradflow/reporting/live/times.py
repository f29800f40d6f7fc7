"""The gradient's norm against the position in a sequence, at a step, for a sequence, a seed or the mean."""

from __future__ import annotations

import pandas as pd

from gradflow.analysis.times import gradient_over_time_over_seeds
from gradflow.figures.columns import counted
from gradflow.figures.times import few_sequences
from gradflow.figures.times import times as described
from gradflow.reporting.live import seeds
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.screen import live
from gradflow.reporting.live.thinning import MAX_DOTS, steps_within
from gradflow.text import text

MAX_ROWS = 40_000


def times(frame: pd.DataFrame) -> Live | None:
    """Return `gradflow.figures.times` with its seeds, at few enough steps; None if no norm was recorded.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.gradient_over_time`, at all recorded steps.
    """
    if not (frame["grad_norm"] > 0).any():
        return None
    thin = few_sequences(frame)
    recorded = sorted(int(step) for step in thin["step"].unique())
    of_one_step = len(thin[thin["step"] == recorded[0]])
    steps = steps_within(recorded, 2 * of_one_step, MAX_ROWS)
    figure = described(_rows(thin[thin["step"].isin(steps)]))
    notes = [text("live.fitted")] if len(steps) > 1 else []
    if len(steps) < len(recorded):
        notes.append(text("live.times.steps", n=len(steps), of=len(recorded)))
    n_positions = int(figure.rows.groupby("family")["time"].nunique().max())
    return live(figure, 320, notes=notes, has_dots=n_positions <= MAX_DOTS)


def _rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the mean's and the seeds' rows, with the numbers of zeros and infinities."""
    runs = counted(frame, frame["grad_norm"])
    rows = seeds.with_seeds(gradient_over_time_over_seeds(frame), runs, "grad_norm")
    return rows.sort_values(["seed", "step", "family", "time"], kind="stable")
