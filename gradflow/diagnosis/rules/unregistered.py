"""Tensors in the graph that require gradients and are no parameters of the model."""

from __future__ import annotations

from gradflow.diagnosis.finding import Finding, Severity
from gradflow.diagnosis.learning import HARMLESS, learning
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.trained_layers import named
from gradflow.diagnosis.wording import Value


def find(cases: list[Case]) -> list[Finding]:
    """Return a finding for each case with such tensors: a notice where the network learns all the same."""
    findings = []
    for case in cases:
        found = [recording for recording in case.recordings if _count(recording.meta.get("unregistered"))]
        if found:
            meta = found[0].meta["unregistered"]
            shapes = dict.fromkeys(" × ".join(map(str, shape)) or "1" for shape in meta.get("shapes", []))
            values: dict[str, Value] = {"tensors": _count(meta), "shapes": named(shapes)}
            values |= {"n_runs": len(found), "runs": len(case.recordings)}
            is_harmless = all(learning(recording) in HARMLESS for recording in found)
            gravity: Severity = "notice" if is_harmless else "problem"
            findings.append(Finding("unregistered", gravity, case.subject, values, "coverage"))
    return findings


def _count(meta: object) -> int:
    """Return how many tensors a recording counted; 0 where it counted none or did not look."""
    count = meta.get("count") if isinstance(meta, dict) else 0
    return count if isinstance(count, int) else 0
