"""Losses that left the finite numbers, and the layer whose gradient did so first."""

from __future__ import annotations

import numpy as np

from gradflow.analysis.nonfinite import nonfinite_rows
from gradflow.diagnosis.cases import Case
from gradflow.diagnosis.finding import Finding
from gradflow.recording import Recording

FIGURE = "training"
REMEDIES = ("remedy.lower_lr", "remedy.warmup", "remedy.clip")


def find(cases: list[Case]) -> list[Finding]:
    """Return a problem for each case with a non-finite loss, and for each with a non-finite gradient."""
    findings = []
    for case in cases:
        steps = [step for recording in case.recordings if (step := diverged_step(recording)) is not None]
        if steps:
            values = {"n_runs": len(steps), "runs": len(case.recordings), "step": min(steps)}
            findings.append(Finding("diverged", "problem", case.subject, values, FIGURE, remedies=REMEDIES))
        origins = [origin for recording in case.recordings if (origin := _first_nonfinite(recording)) is not None]
        if origins:
            step, layer = min(origins)
            where: dict[str, int | str] = {"step": step, "layer": layer}
            findings.append(
                Finding("nonfinite_gradient", "problem", case.subject, where, "heatmaps", remedies=REMEDIES)
            )
    return findings


def diverged_step(recording: Recording) -> int | None:
    """Return the step at which the loss left the finite numbers, or None.

    A NaN loss also stands for a loss that was not passed in, so it counts where a gradient of its step is not
    finite either, or where the run itself says that it diverged.
    """
    loss, step = recording.steps["loss"], recording.steps["step"]
    bad = recording.layers.loc[nonfinite_rows(recording.layers), "step"]
    gone = step[np.isinf(loss) | (loss.isna() & step.isin(bad))]
    if recording.meta.get("status") == "diverged":
        noted = recording.meta.get("diverged_step")
        return int(noted) if noted is not None else int(gone.min()) if len(gone) else int(step.max())
    return int(gone.min()) if len(gone) else None


def _first_nonfinite(recording: Recording) -> tuple[int, str] | None:
    """Return the earliest step with a non-finite gradient and the layer that backward reached first."""
    bad = recording.layers[recording.layers["n_nonfinite"] > 0]
    if bad.empty:
        return None
    first = bad[bad["step"] == bad["step"].min()]
    row = first.loc[first["order"].idxmax()]
    return int(row["step"]), str(row["layer"])
