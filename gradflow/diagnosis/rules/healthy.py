"""What the numbers of a network are in which no other rule found anything."""

from __future__ import annotations

from gradflow.analysis.degradation import after_training
from gradflow.analysis.intervals import mean_interval
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.ratio_findings import ends_values
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.wording import Value

FIGURE = "profile"


def find(cases: list[Case]) -> list[Finding]:
    """Return one finding per case with its numbers; the engine passes the cases that no other rule named."""
    recorded = [case for case in cases if any(len(one.steps) or len(one.layers) for one in case.recordings)]
    return [_finding(case) for case in recorded]


def _finding(case: Case) -> Finding:
    found = case.start or case.end
    if found is None:
        return Finding("ends_not_measured", "unmeasured", case.subject, {}, "coverage")
    values: dict[str, Value] = {**ends_values(found, found.farthest), "checked": int("unknown" not in case.learning)}
    errors = mean_interval(after_training(one)["train_error"] for one in case.recordings).within(0.0, 1.0)
    if errors.n:
        return Finding("healthy_trained", "healthy", case.subject, {**values, "train_error": errors}, FIGURE)
    return Finding("healthy", "healthy", case.subject, values, FIGURE)
