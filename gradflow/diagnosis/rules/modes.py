"""Batch norm that runs in eval mode while its network is trained from the start."""

from __future__ import annotations

from gradflow.diagnosis.beginning import beginning
from gradflow.diagnosis.cases import Case
from gradflow.diagnosis.each_run import Found, over_runs, problem_if
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.fresh import is_fresh
from gradflow.diagnosis.harm import is_before_training, is_unfitted
from gradflow.diagnosis.reach import named
from gradflow.recording import Recording

REMEDIES = ("remedy.train_mode",)


def find(cases: list[Case]) -> list[Finding]:
    """Return a finding for each case: a problem where the network is fresh and does not learn, for then its running
    statistics are nobody's; frozen statistics of a trained network are usual.
    """  # noqa: D205
    return over_runs(cases, _found, "training")


def _found(recording: Recording) -> Found | None:
    first = beginning(recording)
    kinds = [kind for kind in first.in_eval if "BatchNorm" in kind] if first is not None else []
    if not kinds or not is_fresh(recording):
        return None
    # A model that is in eval mode as a whole was perhaps only looked at: its training may begin with model.train().
    is_partly = is_before_training(recording) and recording.meta.get("mode") == "mixed"
    severity = problem_if(is_partly or is_unfitted(recording))
    return Found("norm_in_eval", severity, {"example": named(kinds)}, remedies=REMEDIES)
