"""First layers whose weights grew so far under batch norm that updates no longer turn them."""

from __future__ import annotations

from collections.abc import Iterable

from gradflow.analysis.stall import has_batch_norm
from gradflow.analysis.weights import weight_growth, weights
from gradflow.diagnosis.cases import Case
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.means import geometric
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
    """Return a problem for each case whose first layer's weight norm grew beyond the threshold.

    The interval's lower bound must exceed it; a single run gives a notice.
    """
    findings = []
    for case in cases:
        growth = geometric(first_growth(case.recordings))
        if not (growth.mean > GROWTH if growth.n == 1 else growth.low > GROWTH):
            continue
        severity = "problem" if growth.n > 1 else "notice"
        values = {"growth": growth, "slowdown": growth.mean**2, "threshold": GROWTH}
        findings.append(
            Finding("stalled", severity, case.subject, values, FIGURE, "cause.scale_invariance", REMEDIES)  # type: ignore[arg-type]  # literal
        )
    return findings


def first_growth(recordings: Iterable[Recording]) -> list[float]:
    """Return the first layer's last recorded weight norm over that at step 0, of each run with batch norm."""
    ends = [_ends(one) for one in recordings if has_batch_norm(one)]
    growth = weight_growth(weights(ends)).drop_duplicates("run", keep="last")
    return [float(value) for value in growth["first_growth"]]


def _ends(recording: Recording) -> Recording:
    """Return step 0 and the last recorded step of a recording."""
    layers = recording.layers
    ends = layers["step"].isin([0, layers["step"].max()])
    return Recording(layers=layers[ends], steps=recording.steps, meta=recording.meta)
