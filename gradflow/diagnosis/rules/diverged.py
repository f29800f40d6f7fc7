"""Losses and gradients that became NaN or infinite, and where the first such value came from."""

from __future__ import annotations

import numpy as np

from gradflow.analysis.nonfinite import loss_lost, nonfinite_rows
from gradflow.analysis.origins import Origin, nonfinite_origin
from gradflow.analysis.remembered import remembered
from gradflow.diagnosis.beginning import beginning
from gradflow.diagnosis.finding import Finding, Severity
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

FIGURE = "training"
REMEDIES = ("remedy.lower_lr", "remedy.warmup", "remedy.clip")


def find(cases: list[Case]) -> list[Finding]:
    """Return a problem for each case with a non-finite loss, and for each with a non-finite gradient its origin."""
    findings = []
    for case in cases:
        steps = [step for recording in case.recordings if (step := diverged_step(recording)) is not None]
        if steps:
            values = {"n_runs": len(steps), "runs": len(case.recordings), "step": min(steps)}
            findings.append(Finding("diverged", "problem", case.subject, values, FIGURE, remedies=REMEDIES))
        origins = [origin for recording in case.recordings if (origin := nonfinite_origin(recording)) is not None]
        at_once = not origins and steps and min(steps) == 0
        if at_once and any(map(_has_finite_outputs, case.recordings)):
            made = {"n_runs": len(steps), "runs": len(case.recordings), "step": 0}
            findings.append(Finding("nonfinite_loss", "problem", case.subject, made, FIGURE))
        if origins:
            findings.append(_from(min(origins, key=lambda origin: origin.step), case, len(origins), bool(steps)))
    return findings


def _has_finite_outputs(recording: Recording) -> bool:
    first = beginning(recording)
    return first is not None and bool(first.outputs) and all(one.nonfinite == 0 for one in first.outputs)


@remembered
def diverged_step(recording: Recording) -> int | None:
    """Return the step at which the loss became NaN or infinite, or None.

    A NaN loss also stands for a loss that was not passed in, so it counts where a gradient of its step is not
    finite either, where all steps before had a finite loss and none after has one, or where the run itself says that it
    diverged. A step that the gradient scaler skipped changed nothing: it counts only where no finite loss follows.
    """
    loss, step, skipped = (recording.steps[name].to_numpy() for name in ("loss", "step", "skipped"))
    has_passed = skipped & (step < step[np.isfinite(loss)].max(initial=-1))
    bad = recording.layers.loc[nonfinite_rows(recording.layers), "step"]
    lost = loss_lost(recording)
    is_gone = np.isinf(loss) | (np.isnan(loss) & np.isin(step, bad)) | (step == (-1 if lost is None else lost[0]))
    gone = step[is_gone & ~has_passed]
    if recording.meta.get("status") == "diverged":
        noted = recording.meta.get("diverged_step")
        return int(noted) if noted is not None else int(gone.min()) if len(gone) else int(step.max())
    return int(gone.min()) if len(gone) else None


def _from(origin: Origin, case: Case, n_runs: int, has_diverged: bool) -> Finding:
    """Return what is known of where the first value came from.

    A gradient that was finite again, in a run whose loss stayed so, is a notice: loss scaling skips such steps.
    """
    values: dict[str, Value] = {"n_runs": n_runs, "runs": len(case.recordings), "step": origin.step}
    if origin.layer:
        values["layer"] = origin.layer
    if origin.source:
        values["source"] = f"{origin.layer}.{origin.source}" if origin.kind == "parameter" else origin.source
    elif origin.kind == "parameter":
        values["source"] = origin.layer
    notes = []
    if origin.kind == "forward" and origin.is_first:
        notes.append("first_to_run")
    if origin.step - origin.after > 1 and origin.after >= 0:
        values["after"] = origin.after
        notes.append("unrecorded")
    passes = origin.has_passed and not has_diverged
    if passes:
        notes.append("finite_again")
    values["notes"] = " ".join(notes)
    severity: Severity = "notice" if passes or origin.kind == "other_pass" else "problem"
    return Finding(f"nonfinite_{origin.kind}", severity, case.subject, values, "heatmaps")
