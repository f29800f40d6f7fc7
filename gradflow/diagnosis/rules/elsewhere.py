"""Weights that change by more than the optimizer changed them."""

from __future__ import annotations

import numpy as np

from gradflow.diagnosis.cases import Case
from gradflow.diagnosis.each_run import Found, over_runs, problem_if
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.harm import is_unfitted
from gradflow.diagnosis.rules.parameters import full_name
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

# By the triangle inequality a norm changes by no more than the norm of the update; this is beyond rounding.
MARGIN = 2e-3  # of the weight's norm
MIN_TIMES = 2


def find(cases: list[Case]) -> list[Finding]:
    """Return a finding for each case: a problem where the network does not learn."""
    return over_runs(cases, _found, "weights")


def _found(recording: Recording) -> Found | None:
    rows = recording.parameters
    rows = rows[rows["status"] != "frozen"]
    if rows["update_norm"].isna().all():
        return None
    names = [full_name(*key) for key in rows[["layer", "parameter", "part"]].itertuples(index=False)]
    rows = rows.assign(name=names).drop_duplicates(["step", "name"])
    wide = rows.pivot(index="step", columns="name", values=["weight_norm", "update_norm"])
    norms, updates = wide["weight_norm"], wide["update_norm"]
    follows = np.diff(norms.index) == 1
    change = norms.diff().abs().iloc[1:][follows]
    allowed = updates.iloc[:-1][follows].to_numpy()
    with np.errstate(invalid="ignore"):
        beyond = change.to_numpy() > allowed * (1 + 1e-3) + MARGIN * norms.iloc[1:][follows].to_numpy()
    if beyond.sum() < MIN_TIMES:
        return None
    step, column = np.argwhere(beyond)[0]
    values: dict[str, Value] = {
        "layer": str(change.columns[column]), "step": int(change.index[step]),
        "change": float(change.iloc[step, column]), "update": float(allowed[step, column]),
    }  # fmt: skip
    return Found("changed_elsewhere", problem_if(is_unfitted(recording)), values)
