"""Shattered gradients: only a probe with several inputs tells (Balduzzi et al. 2017, arXiv 1702.08591)."""

from __future__ import annotations

from gradflow.analysis.intervals import mean_interval
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.seed_groups import Case, Subject
from gradflow.diagnosis.wording import Value
from gradflow.recording import INPUT, SHATTERING, Recording

FIGURE = "shattering"
# By the closed forms (gradflow.theory.correlation) a plain stack with batch norm falls below it behind 7 layers, a
# residual one behind 1100 blocks: beneath it a hundred inputs are needed to see that their gradients agree at all.
# It is a notice and no problem, because it does not foretell failure by itself: the residual CIFAR network of 56
# layers, whose ReLUs stand on the trunk, measures 0.002 on 64 digits before training (-0.001 to 0.005, 5 seeds), and
# trains.
CORRELATION = 0.01
REMEDIES = ("remedy.skip", "remedy.shallower")


def find(cases: list[Case]) -> list[Finding]:
    """Return what the probe says of each case that holds it, and one finding if no run does; nothing else implies it.

    Shattered is a case whose correlation's interval over seeds lies below the threshold, not shattered one whose
    interval lies above it; of one run, which has no interval, the correlation itself. In between it is open.
    """
    findings = [finding for case in cases if (finding := _finding(case)) is not None]
    if findings or not cases:
        return findings
    runs = tuple(run for case in cases for run in case.subject.runs)
    return [Finding("shattering_not_measured", "unmeasured", Subject("", runs=runs), {}, "")]


def _finding(case: Case) -> Finding | None:
    rows = [row for recording in case.recordings if (row := _at_input(recording)) is not None]
    correlation = mean_interval(value for _, value in rows)
    if correlation.n == 0:
        return None
    layers = max(layers for layers, _ in rows)
    values: dict[str, Value] = {"correlation": correlation, "layers": layers, "threshold": CORRELATION}
    low, high = (correlation.mean, correlation.mean) if correlation.n == 1 else (correlation.low, correlation.high)
    if low >= CORRELATION:
        return Finding("gradients_agree", "healthy", case.subject, values, FIGURE)
    if high >= CORRELATION:
        return Finding("shattering_unclear", "notice", case.subject, values, FIGURE)
    cause = "" if case.has_shortcut else "cause.shattering"
    return Finding("shattered", "notice", case.subject, values, FIGURE, cause, REMEDIES)


def _at_input(recording: Recording) -> tuple[int, float] | None:
    """Return the layers behind the input and the correlation there; None if it was not measured."""
    probes = recording.probes
    rows = probes[(probes["probe"] == SHATTERING) & (probes["layer"] == INPUT)]
    return (int(rows["x"].iloc[-1]), float(rows["value"].iloc[-1])) if len(rows) else None
