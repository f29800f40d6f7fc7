"""Gradients that shrink on their way from the loss to the first layer of a path, or to the first call of a layer."""

from __future__ import annotations

from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.ratio_findings import findings_at_ends
from gradflow.diagnosis.seed_groups import Case

REMEDIES = ("remedy.relu", "remedy.init", "remedy.skip", "remedy.norm", "remedy.add_norm")


def find(cases: list[Case]) -> list[Finding]:
    """Return a finding for each case and time (step 0, last step) with a path whose first gradient is too small.

    The ratio of the norms decides. One run suffices; how grave it is follows from what its loss does.
    """
    return findings_at_ends("vanishing", -1, cases, lambda case: "cause.factor_below_one", REMEDIES)
