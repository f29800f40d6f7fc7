"""Batch norm that runs in eval mode while its network is trained from the start."""

from __future__ import annotations

from gradflow.diagnosis.beginning import beginning
from gradflow.diagnosis.each_run import Found, each_run, problem_if
from gradflow.diagnosis.fresh_weights import is_fresh
from gradflow.diagnosis.learning import is_before_training, is_unfitted
from gradflow.diagnosis.trained_layers import named
from gradflow.recording import Recording

REMEDIES = ("remedy.train_mode",)


@each_run("training")
def find(recording: Recording) -> Found | None:
    """Return a problem where the network is fresh and does not learn, else a notice.

    Running statistics of a fresh network are nobody's; frozen statistics of a trained one are usual.
    """
    first = beginning(recording)
    kinds = [kind for kind in first.in_eval if "BatchNorm" in kind] if first is not None else []
    if not kinds or not is_fresh(recording):
        return None
    # A model that is in eval mode as a whole was perhaps only looked at: its training may begin with model.train().
    is_partly = is_before_training(recording) and recording.meta.get("mode") == "mixed"
    severity = problem_if(is_partly or is_unfitted(recording))
    return Found("norm_in_eval", severity, {"example": named(kinds)}, remedies=REMEDIES)
