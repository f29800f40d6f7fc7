"""Dropout that leaves too little to learn with."""

from __future__ import annotations

from gradflow.diagnosis.beginning import beginning
from gradflow.diagnosis.each_run import Found, each_run
from gradflow.diagnosis.learning import may_harm
from gradflow.diagnosis.rules.outputs import begins_large
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

STRONG = 0.8  # of the inputs; 0.5 is the most that papers use in hidden layers
REMEDIES = ("remedy.less_dropout",)


@each_run("layers")
def find(recording: Recording) -> Found | None:
    """Return a problem where dropout takes most of its inputs away from a network that does not learn."""
    first = beginning(recording)
    if first is None or first.dropout < STRONG or not (may_harm(recording) or begins_large(recording)):
        return None
    values: dict[str, Value] = {"layer": first.strongest_dropout, "dropped": first.dropout, "threshold_percent": STRONG}
    return Found("dropout_strong", "problem", values, remedies=REMEDIES)
