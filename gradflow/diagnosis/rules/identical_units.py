"""Weights whose rows are all alike: their units compute the same, get the same gradient, and stay the same."""

from __future__ import annotations

from gradflow.diagnosis.beginning import beginning
from gradflow.diagnosis.each_run import Found, each_run, problem_if
from gradflow.diagnosis.learning import may_harm
from gradflow.diagnosis.rules.outputs import begins_large
from gradflow.diagnosis.trained_layers import named
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

REMEDIES = ("remedy.init",)
MIN_MATRICES = 2  # of one alone the rows are outputs, whose targets tell them apart


@each_run("weights")
def find(recording: Recording) -> Found | None:
    """Return what is known of such weights where training began with them; zeros are no such weights."""
    first = beginning(recording)
    if first is None or not first.n_alike:
        return None
    values: dict[str, Value] = {"alike": first.n_alike, "n_matrices": first.n_matrices, "example": named(first.alike)}
    is_all = first.n_alike == first.n_matrices >= MIN_MATRICES  # then no layer behind can tell one unit from another
    severity = problem_if(is_all or may_harm(recording) or begins_large(recording))
    return Found("identical_units", severity, values, "cause.symmetry", REMEDIES)
