"""Losses that end far above their first values, and losses that end no lower than they began."""

from __future__ import annotations

from gradflow.diagnosis.cases import Case
from gradflow.diagnosis.finding import Finding, Severity
from gradflow.diagnosis.harm import Losses, learning, losses
from gradflow.diagnosis.rules.diverged import REMEDIES, diverged_step
from gradflow.diagnosis.wording import Value

FIGURE = "training"
# A fresh network's loss lies near that of a constant answer; ten times that is out of reach of any noise of batches.
RISE = 10.0
# Against the first loss alone, which one odd batch can make, where the loss rose within the first few updates.
RISE_AT_ONCE = 100.0
# A discriminator's loss, or that of a network that is trained on, begins near its floor, and tenfold is still little.
NEAR_FLOOR = 0.01


def find(cases: list[Case]) -> list[Finding]:
    """Return a problem for each case with a loss that rose tenfold, a notice for each with one that did not fall.

    Runs whose loss became NaN or infinite are left to `diverged`.
    """
    findings = []
    for case in cases:
        runs = [(run, found) for run in case.recordings if diverged_step(run) is None and (found := losses(run))]
        rose = [found for _, found in runs if _rose(found)]
        verdicts = [(learning(run), found) for run, found in runs]
        level = [found for verdict, found in verdicts if verdict in ("level", "rises") and found not in rose]
        if rose:
            severity: Severity = "problem" if any(_reference(found) > NEAR_FLOOR for found in rose) else "notice"
            values = _values(rose, case) | {"threshold": RISE}
            findings.append(Finding("loss_rose", severity, case.subject, values, FIGURE, remedies=REMEDIES))
        if level:
            remedies = ("remedy.raise_lr", "remedy.lower_lr", "remedy.add_norm")
            values = _values(level, case)
            findings.append(Finding("loss_level", "notice", case.subject, values, FIGURE, remedies=remedies))
    return findings


def _rose(found: Losses) -> bool:
    return found.last > RISE * found.first > 0 or found.last > RISE_AT_ONCE * found.start > 0


def _reference(found: Losses) -> float:
    """Return the loss that a rise is measured from."""
    return found.start if found.last > RISE_AT_ONCE * found.start > 0 else found.first


def _values(found: list[Losses], case: Case) -> dict[str, Value]:
    """Return how many runs it is true of, and the losses of the one that ended highest."""
    worst = max(found, key=lambda one: one.last)
    counts = {"n_runs": len(found), "runs": len(case.recordings), "steps": worst.steps}
    return {**counts, "first": _reference(worst), "last": worst.last}
