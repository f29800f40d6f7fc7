"""Weights that shrink all through training: weight decay outweighs the gradient."""

from __future__ import annotations

from gradflow.diagnosis.beginning import optimizer_settings
from gradflow.diagnosis.cases import Case
from gradflow.diagnosis.each_run import Found, over_runs, problem_if
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.harm import is_stuck, learning
from gradflow.diagnosis.movement import matrices
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

FIGURE = "weights"
# Healthy networks grow, or shrink by a tenth: what the gradient does not hold up goes.
SHRUNK = 0.4
MIN_MATRICES, MIN_STEPS = 2, 20
REMEDIES = ("remedy.less_decay",)


def find(cases: list[Case]) -> list[Finding]:
    """Return a finding for each case in which half of the matrices lost most of their norm."""
    return over_runs(cases, _found, FIGURE)


def _found(recording: Recording) -> Found | None:
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
