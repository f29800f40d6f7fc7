"""Parameters that have gradients and that nothing changes."""

from __future__ import annotations

import pandas as pd

from gradflow.diagnosis.finding import Finding, Severity
from gradflow.diagnosis.rules.parameters import full_name
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.trained_layers import named, own_rows
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

FIGURE = "weights"
# An L2 norm that is the same to the last digit at so many recorded steps belongs to weights that did not change.
MIN_STEPS = 3
MIN_LR_STEPS = 2  # a warm-up begins at zero
# Half the distance of two numbers of a type, relative to them: a weight that is asked to change by less stays as it is,
# which says nothing of the optimizer.
ROUNDING = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
TINY = 0.01  # of the entries that have gradients: a bias or a temperature that is left out

REMEDIES = {
    **dict.fromkeys(("never_stepped", "never_changed"), ("remedy.check_step",)),
    **dict.fromkeys(("left_out", "not_changed"), ("remedy.check_optimizer",)),
}

_Found = tuple[str, Severity, dict[str, Value]]


def find(cases: list[Case]) -> list[Finding]:
    """Return at most one finding for each case: the reason that explains most."""
    findings = []
    for case in cases:
        found = [one for recording in case.recordings if (one := _found(recording)) is not None]
        if found:
            key, gravity, values = found[0]
            runs: dict[str, Value] = {"n_runs": len(found), "runs": len(case.recordings)}
            remedies = REMEDIES.get(key, ())
            findings.append(Finding(key, gravity, case.subject, values | runs, FIGURE, remedies=remedies))
    return findings


def _found(recording: Recording) -> _Found | None:
    meta = recording.meta
    if meta.get("optimizers") and meta.get("optimizer_steps") == 0:
        return "never_stepped", "problem", {}
    rates = recording.steps["lr"].dropna()
    if len(rates) >= MIN_LR_STEPS and (rates == 0).all():
        return "lr_zero", "problem", {}
    frame = _parameters(recording)
    if frame.empty:
        return None
    steps: dict[str, Value] = {"steps": int(frame["n_weights"].max())}
    held = frame["lr"].notna()
    if held.any() and (frame.loc[held, "lr"] == 0).all() and recording.layers["step"].nunique() >= MIN_LR_STEPS:
        return "lr_zero", "problem", {}
    still = (frame["lightest"] == frame["heaviest"]) & ~(frame["update"] > 0)
    still &= (frame[["n_weights", "n_gradients"]] >= MIN_STEPS).all(axis=1)
    still &= ~(frame["asked"] < ROUNDING.get(str(meta.get("dtype")), ROUNDING["float32"]))
    if still.all():
        return "never_changed", "problem", steps | {"parameters": len(frame)}
    left_out = frame["lr"].isna() & bool(held.any()) & frame["update"].isna() & (still | (frame["n_weights"] == 0))
    for key, chosen in (("left_out", left_out), ("not_changed", still & ~left_out)):
        if chosen.any():
            share = frame.loc[chosen, "n_entries"].sum() / max(frame["n_entries"].sum(), 1)
            values: dict[str, Value] = {"parameters": int(chosen.sum()), "example": named(frame.loc[chosen, "name"])}
            return key, "problem" if share > TINY else "notice", values | steps
    return None


def _parameters(recording: Recording) -> pd.DataFrame:
    """Return one row per parameter with a gradient that is not zero; per layer in recordings without parameters.

    Columns: name, n_gradients (steps with one), n_entries, n_weights (steps at which its norm is known), lightest and
    heaviest norm, the largest update, its largest learning rate, and the largest change that gradient and learning rate
    (1 where it is not known) asked for, relative to the norm.
    """
    rows, keys = recording.parameters, ["layer", "parameter", "part"]
    if rows.empty:
        norms = ("grad_norm", "weight_norm", "update_norm")
        rows, keys = own_rows(recording, "layer", "call", "backward", "n_params", *norms), ["layer"]
        rows = rows[(rows["call"] == 0) & (rows["backward"] == rows["backward"].min())]
        rows = rows.assign(n_entries=rows["n_params"], lr=float("nan"))
    frame = (
        rows.assign(
            learns=rows["grad_norm"] > 0, asked=rows["lr"].fillna(1.0) * rows["grad_norm"] / rows["weight_norm"]
        )
        .groupby(keys, sort=False)
        .agg(
            n_gradients=("learns", "sum"),
            n_entries=("n_entries", "max"),
            n_weights=("weight_norm", "count"),
            lightest=("weight_norm", "min"),
            heaviest=("weight_norm", "max"),
            update=("update_norm", "max"),
            lr=("lr", "max"),
            asked=("asked", "max"),
        )
        .reset_index()
    )
    frame = frame[frame["n_gradients"] > 0]
    named_by = frame["layer"] if keys == ["layer"] else [full_name(*key) for key in frame[keys].itertuples(index=False)]
    return frame.assign(name=named_by)
