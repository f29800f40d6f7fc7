"""Parameters that have gradients and that nothing changes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gradflow.analysis.intervals import Floats, Ints
from gradflow.analysis.numbered_rows import blocks, numbered, numbered_parameters
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

NORMS = ("grad_norm", "weight_norm", "update_norm")
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
    found = _parameters(recording)
    if not len(found.n_gradients):
        return None
    steps: dict[str, Value] = {"steps": int(found.n_weights.max())}
    held = ~np.isnan(found.lr)
    if held.any() and (found.lr[held] == 0).all() and recording.layers["step"].nunique() >= MIN_LR_STEPS:
        return "lr_zero", "problem", {}
    still = (found.lightest == found.heaviest) & ~(found.update > 0)
    still &= (found.n_weights >= MIN_STEPS) & (found.n_gradients >= MIN_STEPS)
    still &= ~(found.asked < ROUNDING.get(str(meta.get("dtype")), ROUNDING["float32"]))
    if still.all():
        return "never_changed", "problem", steps | {"parameters": len(still)}
    left_out = ~held & held.any() & np.isnan(found.update) & (still | (found.n_weights == 0))
    for key, chosen in (("left_out", left_out), ("not_changed", still & ~left_out)):
        if chosen.any():
            share = found.n_entries[chosen].sum() / max(found.n_entries.sum(), 1)
            values: dict[str, Value] = {"parameters": int(chosen.sum()), "example": named(found.name[chosen].tolist())}
            return key, "problem" if share > TINY else "notice", values | steps
    return None


class _Parameters(NamedTuple):
    """Parameters with a gradient that is not zero; layers, of recordings without parameters.

    At how many steps they have one, their entries, at how many steps their norm is known, their lightest and heaviest
    norm, the largest update and learning rate, and the largest change that gradient and learning rate (1 where it is
    not known) asked for, relative to the norm.
    """

    n_gradients: Ints
    n_entries: Floats
    n_weights: Ints
    lightest: Floats
    heaviest: Floats
    update: Floats
    lr: Floats
    asked: Floats
    name: np.ndarray[Any, np.dtype[np.object_]]


def _parameters(recording: Recording) -> _Parameters:
    if len(recording.parameters):
        rows, of = recording.parameters, numbered_parameters(recording)
    else:
        rows = own_rows(recording, "step", "layer", "call", "backward", "n_params", *NORMS)
        rows = rows[(rows["call"] == 0) & (rows["backward"] == rows["backward"].min())]
        rows, of = rows.assign(n_entries=rows["n_params"], lr=float("nan")), numbered(rows, ["layer"])
    gradient, weight, rate = (rows[name].to_numpy() for name in ("grad_norm", "weight_norm", "lr"))
    asked: Floats = np.full(len(of.keys), np.nan)
    for own in blocks(rows["step"].to_numpy()):
        with np.errstate(all="ignore"):
            change = np.where(np.isnan(rate[own]), 1.0, rate[own]) * gradient[own] / weight[own]
        np.fmax.at(asked, of.place[own], change)
    names = np.array([key[0] if len(key) == 1 else full_name(*key) for key in of.keys], dtype=object)
    found = _Parameters(
        of.number_of(gradient > 0),
        of.largest(rows["n_entries"].to_numpy()),
        of.number_of(~np.isnan(weight)),
        of.smallest(weight),
        of.largest(weight),
        of.largest(rows["update_norm"].to_numpy()),
        of.largest(rate),
        asked,
        names,
    )
    return _Parameters._make(column[found.n_gradients > 0] for column in found)
