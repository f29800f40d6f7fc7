"""Gradients that grow on their way from the loss to the first layer of a path, or to the first call of a layer."""

from __future__ import annotations

from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.ratio_findings import findings_at_ends
from gradflow.diagnosis.seed_groups import Case

REMEDIES = ("remedy.init", "remedy.skip", "remedy.norm", "remedy.add_norm", "remedy.clip")


def find(cases: list[Case]) -> list[Finding]:
    """Return a finding for each case and time (step 0, last step) with a path whose first gradient is too large.

    The ratio of the norms decides. One run suffices; how grave it is follows from what its loss does.
    """
    return findings_at_ends("exploding", 1, cases, _cause, REMEDIES)


def _cause(case: Case) -> str:
    return "cause.batch_norm" if case.has_batch_norm and not case.has_shortcut else "cause.factor_above_one"
