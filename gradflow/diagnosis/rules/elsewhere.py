"""Weights that change by more than the optimizer changed them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gradflow.analysis.intervals import Ints
from gradflow.analysis.rows import numbered_parameters
from gradflow.diagnosis.each_run import Found, each_run, problem_if
from gradflow.diagnosis.learning import is_unfitted
from gradflow.diagnosis.rules.parameters import full_name
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

# By the triangle inequality a norm changes by no more than the norm of the update; this is beyond rounding.
MARGIN = 2e-3  # of the weight's norm
MIN_TIMES = 2

Norms = np.ndarray[Any, np.dtype[np.float64]]


@each_run("weights")
def find(recording: Recording) -> Found | None:
    """Return a finding where such weights were seen: a problem if the network does not learn."""
    rows = recording.parameters
    if rows["update_norm"].isna().all():
        return None
    steps, names, norms, updates = _by_step(recording, (rows["status"] != "frozen").to_numpy(dtype=bool))
    follows = np.diff(steps) == 1
    with np.errstate(invalid="ignore"):
        change, allowed = np.abs(np.diff(norms, axis=0))[follows], updates[:-1][follows]
        beyond = change > allowed * (1 + 1e-3) + MARGIN * norms[1:][follows]
    if beyond.sum() < MIN_TIMES:
        return None
    step, column = np.argwhere(beyond)[0]
    values: dict[str, Value] = {
        "layer": names[column], "step": int(steps[1:][follows][step]),
        "change": float(change[step, column]), "update": float(allowed[step, column]),
    }  # fmt: skip
    return Found("changed_elsewhere", problem_if(is_unfitted(recording)), values)


def _by_step(recording: Recording, is_trained: np.ndarray[Any, Any]) -> tuple[Ints, list[str], Norms, Norms]:
    """Return the steps, the weights' sorted names, and norms of weights and of updates, (steps, weights).

    Of millions of rows names are put together once a weight.
    """
    of_weight, keys = numbered_parameters(recording)
    of_name, names = pd.factorize(np.array([full_name(*key) for key in keys], dtype=object), sort=True)
    rows = recording.parameters
    steps, place = np.unique(rows["step"].to_numpy()[is_trained], return_inverse=True)
    cells = (place * len(names) + of_name[of_weight[is_trained]])[
        ::-1
    ]  # where rows say the same twice, the first counts
    found = np.full((2, len(steps) * len(names)), np.nan)
    for norms, column in zip(found, ("weight_norm", "update_norm"), strict=True):
        norms[cells] = rows[column].to_numpy()[is_trained][::-1]
    return steps, list(names), *found.reshape(2, len(steps), len(names))
