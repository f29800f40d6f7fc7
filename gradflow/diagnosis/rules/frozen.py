"""Networks of which most is frozen and that do not learn with the rest."""

from __future__ import annotations

from gradflow.diagnosis.cases import Case
from gradflow.diagnosis.each_run import Found, over_runs, problem_if
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.fresh import is_fresh
from gradflow.diagnosis.harm import is_unfitted, may_harm
from gradflow.diagnosis.reach import named
from gradflow.recording import Recording

MOST = 0.5  # of the entries of all parameters
REMEDIES = ("remedy.unfreeze",)


def find(cases: list[Case]) -> list[Finding]:
    """Return a problem for each case in which most is frozen, the weights are fresh, and the loss does not fall."""
    return over_runs(cases, _found, "coverage")


def _found(recording: Recording) -> Found | None:
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
