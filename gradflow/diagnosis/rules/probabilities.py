"""Outputs that are probabilities under a loss that takes logits: its gradient is flat, and it cannot reach zero."""

from __future__ import annotations

from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.wording import Value
from gradflow.recording import CERTAIN_LOSS

REMEDIES = ("remedy.logits",)


def find(cases: list[Case]) -> list[Finding]:
    """Return a problem for each case whose outputs were seen to be such; only the analysis of one batch looks."""
    return [finding for case in cases if (finding := _finding(case)) is not None]


def _finding(case: Case) -> Finding | None:
    recording = next((one for one in case.recordings if one.meta.get(CERTAIN_LOSS) is not None), None)
    if recording is None or recording.steps.empty:
        return None
    values: dict[str, Value] = {
        "loss": float(recording.steps["loss"].iloc[0]),
        "certain": float(recording.meta[CERTAIN_LOSS]),
    }
    return Finding("probabilities", "problem", case.subject, values, remedies=REMEDIES)
