"""Shattered gradients: only a probe with nearby inputs tells (Balduzzi et al. 2017, arXiv 1702.08591)."""

from __future__ import annotations

from gradflow.diagnosis.cases import Case, Subject
from gradflow.diagnosis.finding import Finding

PROBE = "shattering"


def find(cases: list[Case]) -> list[Finding]:
    """Return that shattering was not measured, where no run holds the probe; nothing else implies it."""
    probed = any((recording.probes["probe"] == PROBE).any() for case in cases for recording in case.recordings)
    if probed or not cases:
        return []
    runs = tuple(run for case in cases for run in case.subject.runs)
    return [Finding("shattering_not_measured", "unmeasured", Subject("", runs=runs), {}, "method")]
