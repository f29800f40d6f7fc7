"""Gradients that shrink on their way from the loss to the first layer of a path, or to the first call of a layer."""

from __future__ import annotations

from gradflow.diagnosis.at_ends import activation, finding_at_ends
from gradflow.diagnosis.cases import Case
from gradflow.diagnosis.finding import Finding

# Whose slope is so small at any scale of the weights that no initialisation keeps the gradient.
SATURATING = ("Sigmoid", "Hardsigmoid", "LogSigmoid", "Softplus")


def find(cases: list[Case]) -> list[Finding]:
    """Return a finding for each case and time (step 0, last step) with a path whose first gradient is too small.

    The ratio of the norms decides. One run suffices; how grave it is follows from what its loss does.
    """
    return [
        finding_at_ends(
            "vanishing",
            case,
            found,
            beyond,
            "cause.factor_below_one",
            ("remedy.activation" if activation(beyond) in SATURATING else "remedy.init", "remedy.skip", "remedy.norm"),
        )
        for case in cases
        for found in (case.start, case.end)
        if found and (beyond := found.beyond(-1))
    ]
