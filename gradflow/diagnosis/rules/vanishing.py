"""Gradients that shrink on their way from the last layer to the first."""

from __future__ import annotations

from gradflow.diagnosis.cases import Case
from gradflow.diagnosis.ends import DECADES, Ends
from gradflow.diagnosis.finding import Finding, finding_at_ends

REMEDIES = ("remedy.init", "remedy.skip", "remedy.norm")


def find(cases: list[Case]) -> list[Finding]:
    """Return a finding for each case and time (step 0, last step) with too small a first gradient.

    The ratio's interval over seeds must lie below the threshold and the factor's interval below 1. One run
    has no interval over seeds: then the ratio alone is compared, and the finding is a notice.
    """
    measured = [(case, found) for case in cases for found in (case.start, case.end) if found]
    return [
        finding_at_ends("vanishing", case, found, cause="cause.factor_below_one", remedies=REMEDIES)
        for case, found in measured
        if vanishes(found)
    ]


def vanishes(found: Ends) -> bool:
    """Whether the measured intervals lie beyond the threshold."""
    bound = found.decades.mean if found.decades.n == 1 else found.decades.high
    factor = found.factor.mean if found.factor.n == 1 else found.factor.high
    return bound < -DECADES and factor < 1
