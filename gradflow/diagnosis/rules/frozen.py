"""Networks of which most is frozen and that do not learn with the rest."""

from __future__ import annotations

from gradflow.analysis.numbered_rows import between
from gradflow.diagnosis.each_run import Found, each_run, problem_if
from gradflow.diagnosis.fresh_weights import is_fresh
from gradflow.diagnosis.learning import is_unfitted, losses, may_harm
from gradflow.diagnosis.trained_layers import named
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

MOST = 0.5  # of the entries of all parameters
REMEDIES = ("remedy.unfreeze",)


@each_run("coverage")
def find(recording: Recording) -> Found | None:
    """Return a problem where most is frozen, the weights are fresh, and the loss stays high."""
    rows = recording.parameters
    rows = between(rows, *rows["step"].iloc[[0, 0]]) if len(rows) else rows
    columns = zip(*(rows[name].tolist() for name in ("layer", "n_entries", "status")), strict=True)
    entries = [(layer, n_entries, status == "frozen") for layer, n_entries, status in columns]
    frozen = [(layer, n_entries) for layer, n_entries, is_frozen in entries if is_frozen]
    share = sum(n_entries for _, n_entries in frozen) / max(sum(n_entries for _, n_entries, _ in entries), 1)
    if not share > MOST or not may_harm(recording) or not is_fresh(recording):
        return None
    layers = list(dict.fromkeys(layer for layer, _ in frozen))
    values: dict[str, Value] = {"share": share, "layers": len(layers), "example": named(layers)}
    if (found := losses(recording)) is not None:
        values |= {"begin": found.first, "end": found.last, "notes": "course"}
    return Found("mostly_frozen", problem_if(is_unfitted(recording)), values, remedies=REMEDIES)
