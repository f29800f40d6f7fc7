"""Losses that end far above their first value, and losses that end no lower than they began."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from gradflow.diagnosis.cases import Case
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.rules.diverged import REMEDIES, diverged_step
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

FIGURE = "training"
# A fresh network's loss lies near that of a constant answer; ten times that is out of reach of any noise of batches.
RISE = 10.0
# Fewer steps have not had the time to lower a loss, and their last tenth is a single batch.
FEWEST_STEPS = 20
LAST_SHARE = 0.1  # of the steps: their median stands for the end


class Ends(NamedTuple):
    """A run's first loss, the median loss of its last tenth of steps, and how many steps have one."""

    first: float
    last: float
    steps: int


def find(cases: list[Case]) -> list[Finding]:
    """Return a problem for each case with a loss that rose tenfold, a notice for each with one that did not fall.

    Runs whose loss left the finite numbers are left to `diverged`.
    """
    findings = []
    for case in cases:
        measured = [found for recording in case.recordings if (found := loss_ends(recording)) is not None]
        rose = [one for one in measured if one.first > 0 and one.last > RISE * one.first]
        level = [one for one in measured if one.last >= one.first and one.steps >= FEWEST_STEPS and one not in rose]
        if rose:
            values = _values(rose, case) | {"threshold": RISE}
            findings.append(Finding("loss_rose", "problem", case.subject, values, FIGURE, remedies=REMEDIES))
        if level:
            remedies = ("remedy.check_optimizer", "remedy.check_graph")
            values = _values(level, case)
            findings.append(Finding("loss_level", "notice", case.subject, values, FIGURE, remedies=remedies))
    return findings


def loss_ends(recording: Recording) -> Ends | None:
    """Return where a run's loss began and ended; None if it has fewer than two values or left the finite numbers."""
    loss = recording.steps["loss"].dropna().to_numpy()
    if len(loss) < 2 or diverged_step(recording) is not None:
        return None
    last = loss[-math.ceil(LAST_SHARE * len(loss)) :]
    return Ends(float(loss[0]), float(np.median(last)), len(loss))


def _values(found: list[Ends], case: Case) -> dict[str, Value]:
    """Return how many runs it is true of, and the losses of the one that ended highest."""
    worst = max(found, key=lambda one: one.last)
    counts = {"n_runs": len(found), "runs": len(case.recordings), "steps": worst.steps}
    return {**counts, "first": worst.first, "last": worst.last}
