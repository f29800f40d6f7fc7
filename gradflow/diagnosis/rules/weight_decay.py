"""Weights that shrink all through training: weight decay outweighs the gradient."""

from __future__ import annotations

import numpy as np

from gradflow.analysis.numbered_rows import numbered_parameters
from gradflow.diagnosis.beginning import optimizer_settings
from gradflow.diagnosis.each_run import Found, each_run, problem_if
from gradflow.diagnosis.learning import is_stuck, learning
from gradflow.diagnosis.movement import matrices, median
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

# Healthy networks grow, or shrink by a tenth: what the gradient does not hold up goes.
SHRUNK = 0.4
MIN_MATRICES, MIN_STEPS = 2, 20
REMEDIES = ("remedy.less_decay",)


@each_run("weights")
def find(recording: Recording) -> Found | None:
    """Return what is known where half of the matrices lost most of their norm."""
    step, is_matrix = recording.parameters["step"].to_numpy(), matrices(recording)
    if not is_matrix.any():
        return None
    first, last = int(step[is_matrix.argmax()]), int(step[len(step) - 1 - is_matrix[::-1].argmax()])
    if first == last or last < MIN_STEPS:
        return None
    place, keys = numbered_parameters(recording)
    norms = np.full((2, len(keys)), np.nan)
    for row, one in zip(norms, (first, last), strict=True):
        start, stop = np.searchsorted(step, [one, one + 1])
        chosen = np.flatnonzero(is_matrix[start:stop]) + start
        row[place[chosen]] = recording.parameters["weight_norm"].to_numpy()[chosen]
    start, end = norms[:, ~np.isnan(norms).any(axis=0)]
    if len(start) < MIN_MATRICES:
        return None
    left = median(end[start > 0] / start[start > 0])
    decay = optimizer_settings(recording).get("weight_decay")
    if not left < SHRUNK or learning(recording) == "solved" or decay == 0:
        return None
    values: dict[str, Value] = {"left": left, "step": last, "threshold_percent": SHRUNK}
    if not isinstance(decay, int | float):
        return Found("weights_shrink", problem_if(is_stuck(recording)), values, "", REMEDIES)
    return Found("weight_decay_high", "problem", {**values, "decay": float(decay)}, "", REMEDIES)
