"""Dropout that leaves too little: measured by how much it enlarges what is left."""

from __future__ import annotations

from gradflow.diagnosis.cases import Case
from gradflow.diagnosis.each_run import Found, over_runs
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.harm import is_unfitted, learning
from gradflow.recording import Recording

STRONG = 0.8  # of the inputs; 0.5 is the most that papers use in hidden layers
REMEDIES = ("remedy.less_dropout",)


def find(cases: list[Case]) -> list[Finding]:
    """Return a finding for each case whose dropout takes most of its inputs away and that does not learn."""
    return over_runs(cases, _found, "layers")


def _found(recording: Recording) -> Found | None:
    rows = recording.layers
    is_dropout = rows["kind"].str.contains("Dropout")
    if not is_dropout.any() or learning(recording) == "solved":
        return None
    sizes = rows.groupby("layer")["act_rms"].first()
    edges = recording.graph
    worst, where = 0.0, ""
    for layer in rows.loc[is_dropout, "layer"].unique():
        sources = edges.loc[edges["layer"] == layer, "source"].unique()
        if len(sources) == 1 and sizes.get(sources[0], 0) > 0 and sizes[layer] > sizes[sources[0]]:
            # What is left is divided by its share, so that the mean square grows by the inverse of it.
            dropped = 1 - float(sizes[sources[0]] / sizes[layer]) ** 2
            worst, where = max((worst, where), (dropped, str(layer)))
    if worst < STRONG:
        return None
    severity = "problem" if is_unfitted(recording) else "notice"
    return Found("dropout_strong", severity, {"layer": where, "dropped": worst, "threshold_percent": STRONG},
                 remedies=REMEDIES)  # fmt: skip
