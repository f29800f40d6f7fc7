"""Weights that shrink all through training: weight decay outweighs the gradient."""

from __future__ import annotations

from gradflow.diagnosis.beginning import optimizer_settings
from gradflow.diagnosis.each_run import Found, each_run, problem_if
from gradflow.diagnosis.learning import is_stuck, learning
from gradflow.diagnosis.movement import matrices
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

# Healthy networks grow, or shrink by a tenth: what the gradient does not hold up goes.
SHRUNK = 0.4
MIN_MATRICES, MIN_STEPS = 2, 20
REMEDIES = ("remedy.less_decay",)


@each_run("weights")
def find(recording: Recording) -> Found | None:
    """Return what is known where half of the matrices lost most of their norm."""
    rows = matrices(recording)
    rows = rows[rows["step"].isin([rows["step"].min(), rows["step"].max()])]
    norms = rows.pivot_table(index="step", columns=["layer", "parameter"], values="weight_norm").dropna(axis=1)
    if len(norms) < 2 or norms.shape[1] < MIN_MATRICES or norms.index[-1] < MIN_STEPS:
        return None
    left = (norms.iloc[-1] / norms.iloc[0].where(norms.iloc[0] > 0)).median()
    decay = optimizer_settings(recording).get("weight_decay")
    if not left < SHRUNK or learning(recording) == "solved" or decay == 0:
        return None
    values: dict[str, Value] = {"left": float(left), "step": int(norms.index[-1]), "threshold_percent": SHRUNK}
    if not isinstance(decay, int | float):
        return Found("weights_shrink", problem_if(is_stuck(recording)), values, "", REMEDIES)
    return Found("weight_decay_high", "problem", {**values, "decay": float(decay)}, "", REMEDIES)
