"""Networks of which most is frozen and that do not learn with the rest."""

from __future__ import annotations

from gradflow.diagnosis.each_run import Found, each_run, problem_if
from gradflow.diagnosis.fresh_weights import is_fresh
from gradflow.diagnosis.learning import is_unfitted, may_harm
from gradflow.diagnosis.trained_layers import named
from gradflow.recording import Recording

MOST = 0.5  # of the entries of all parameters
REMEDIES = ("remedy.unfreeze",)


@each_run("coverage")
def find(recording: Recording) -> Found | None:
    """Return a problem where most is frozen, the weights are fresh, and the loss does not fall."""
    rows = recording.parameters
    rows = rows[(rows["step"] == rows["step"].min()) & (rows["part"] == "")]
    frozen = rows[rows["status"] == "frozen"]
    share = frozen["n_entries"].sum() / max(rows["n_entries"].sum(), 1)
    if not share > MOST or not may_harm(recording) or not is_fresh(recording):
        return None
    layers = list(dict.fromkeys(frozen["layer"]))
    severity = problem_if(is_unfitted(recording))
    return Found("mostly_frozen", severity, {"share": float(share), "layers": len(layers), "example": named(layers)},
                 remedies=REMEDIES)  # fmt: skip
