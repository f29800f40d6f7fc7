"""diagnose(): apply every rule to recorded runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from gradflow.diagnosis.cases import Case, Subject, cases
from gradflow.diagnosis.finding import SEVERITIES, Finding
from gradflow.diagnosis.rules import (
    dead,
    degraded,
    diverged,
    exploding,
    healthy,
    loss_level,
    probabilities,
    shattering,
    stalled,
    vanishing,
)
from gradflow.diagnosis.rules.degraded import RESIDUAL
from gradflow.recording import Recording

Rule = Callable[[list[Case]], list[Finding]]
# Each rule reads the recordings alone; none reads another's findings.
RULES: tuple[Rule, ...] = (
    diverged.find,
    probabilities.find,
    loss_level.find,
    degraded.find,
    exploding.find,
    vanishing.find,
    stalled.find,
    dead.find,
    shattering.find,
)


def diagnose(recordings: Recording | Iterable[Recording]) -> list[Finding]:
    """Return what the numbers say about each network: problems first, then notices, then healthy ones.

    Vanishing, exploding, shattered and degraded are four findings, each from its own measurement. Runs that
    differ in their seed alone are one subject.

    Parameters
    ----------
    recordings : Recording or iterable of Recording
        Not changed.

    Returns
    -------
    list of Finding
        `str(finding)` is its sentence, with the measured values, their intervals and n.

    Examples
    --------
    >>> import pandas as pd
    >>> steps = pd.DataFrame({"step": [0, 1], "loss": [2.3, float("inf")]})
    >>> print(diagnose(Recording(steps=steps, meta={"run": "mine"}))[0])
    mine: the loss left the finite numbers, first at step 1.
    """
    grouped = cases(recordings)
    normed = {case.subject for case in grouped if case.has_batch_norm}
    found = [_fitting(finding, normed) for rule in RULES for finding in rule(grouped)]
    named = {finding.subject for finding in found if finding.severity in ("problem", "notice")}
    found += healthy.find([case for case in grouped if case.subject not in named])
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def _fitting(finding: Finding, normed: set[Subject]) -> Finding:
    """Return the finding without remedies that its network has taken already, or that cannot help it.

    Behind batch norm the scale of an initialisation changes nothing, nor does any initialisation once training is over.
    """
    is_normed = finding.subject in normed
    vain = {
        "remedy.skip": finding.subject.base_family == RESIDUAL,
        "remedy.init": is_normed or finding.values.get("when") == "end",
        "remedy.norm": is_normed or finding.subject.base_family != RESIDUAL,
    }
    return replace(finding, remedies=tuple(remedy for remedy in finding.remedies if not vain.get(remedy)))
