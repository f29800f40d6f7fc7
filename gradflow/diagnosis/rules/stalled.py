"""First layers whose weights grew so far under batch norm that updates no longer turn them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from gradflow.analysis.profile import rows_read, weighted_layers
from gradflow.analysis.stall import has_batch_norm
from gradflow.diagnosis.finding import Finding, Severity
from gradflow.diagnosis.geometric_mean import geometric
from gradflow.diagnosis.learning import learning, severity
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

FIGURE = "weights"
# Under batch norm only a weight's direction counts, and a step turns it by about lr / |w|² (van Laarhoven
# 2017, arXiv 1706.05350). Ten times the norm is a hundredth of the effective learning rate, more than the two
# tenfold drops of the usual step schedule leave at its end.
GROWTH = 10.0
# No warm-up: it cut the growth of plain-56 from 165 and 196 to 22 and 26, and of plain-110 tenfold, but lowered no
# training error by as much as a point (warm-up over 100 of 300 steps, 2 seeds each, digits).
REMEDIES = ("remedy.skip", "remedy.shallower")


def find(cases: list[Case]) -> list[Finding]:
    """Return a finding for each case with a run whose first layer's weight norm grew beyond the threshold.

    How grave it is follows from what that run's loss does, and from how much slower a step turns the weights.
    """
    findings = []
    growths = first_growths([run for case in cases for run in case.recordings])
    for case in cases:
        grown = [(growths[run.name], run) for run in case.recordings if run.name in growths]
        worst = max((growth for growth, _ in grown), default=math.nan)
        if not worst > GROWTH:
            continue
        growth = geometric(growth for growth, _ in grown)
        grave = {severity(learning(run), 2 * math.log10(growth)) for growth, run in grown if growth > GROWTH}
        values: dict[str, Value] = {"growth": growth, "slowdown": growth.mean**2, "threshold": GROWTH}
        level: Severity = "problem" if "problem" in grave else "notice"
        findings.append(Finding("stalled", level, case.subject, values, FIGURE, "cause.scale_invariance", REMEDIES))
    return findings


def first_growths(recordings: Iterable[Recording]) -> dict[str, float]:
    """Return the first layer's last recorded weight norm over that at step 0, by name of each run with batch norm.

    Of all runs at once, which takes little longer than of one.
    """
    found = [one for one in recordings if has_batch_norm(one)]
    if not found:
        return {}
    path = weighted_layers(found, [rows_read(one.layers, [0, one.layers["step"].max()]) for one in found])
    path = path.sort_values(["run", "step", "layer_depth"], kind="stable")
    start = path[path["step"] == 0].set_index(["run", "layer"])["weight_norm"]
    last = path.drop_duplicates(["run", "step"]).drop_duplicates("run", keep="last").set_index(["run", "layer"])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        growth = last["weight_norm"] / start.reindex(last.index)
    return dict(zip(last.index.get_level_values("run"), growth.astype(float), strict=True))
