"""Weights that change by more than the optimizer changed them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from gradflow.analysis.numbered_rows import blocks, numbered_parameters
from gradflow.diagnosis.each_run import Found, each_run, problem_if
from gradflow.diagnosis.learning import is_unfitted
from gradflow.diagnosis.rules.parameters import full_name
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

# By the triangle inequality a norm changes by no more than the norm of the update; this is beyond rounding.
MARGIN = 2e-3  # of the weight's norm
MIN_TIMES = 2


@each_run("weights")
def find(recording: Recording) -> Found | None:
    """Return a finding where such weights were seen: a problem if the network does not learn."""
    rows = recording.parameters
    if rows["update_norm"].isna().all():
        return None
    found = list(_beyond(recording))
    if sum(n for n, _ in found) < MIN_TIMES:
        return None
    return Found("changed_elsewhere", problem_if(is_unfitted(recording)), next(first for n, first in found if n))


def _beyond(recording: Recording) -> Iterator[tuple[int, dict[str, Value]]]:
    """Yield how often weights changed by more than allowed, and the first time, of some steps after the other."""
    rows = recording.parameters
    step, weight, update = (rows[name].to_numpy() for name in ("step", "weight_norm", "update_norm"))
    of_weight, keys = numbered_parameters(recording)
    of_name, names = pd.factorize(np.array([full_name(*key) for key in keys], dtype=object), sort=True)
    is_trained = (rows["status"] != "frozen").to_numpy(dtype=bool)
    for block in blocks(step):
        beyond = int(np.searchsorted(step, step[block.stop - 1] + 1, side="right"))  # with the step that follows
        own = np.flatnonzero(is_trained[block.start : beyond])[::-1] + block.start  # of rows alike, the first counts
        steps, place = np.unique(step[own], return_inverse=True)
        norms, updates = np.full((2, len(steps), len(names)), np.nan)
        cells = place, of_name[of_weight[own]]
        norms[cells], updates[cells] = weight[own], update[own]
        follows = np.diff(steps) == 1
        with np.errstate(invalid="ignore"):
            change, allowed = np.abs(np.diff(norms, axis=0))[follows], updates[:-1][follows]
            places = np.argwhere(change > allowed * (1 + 1e-3) + MARGIN * norms[1:][follows])
        first: dict[str, Value] = {}
        if len(places):
            at, column = places[0]
            first = {"layer": str(names[column]), "step": int(steps[1:][follows][at])}
            first |= {"change": float(change[at, column]), "update": float(allowed[at, column])}
        yield len(places), first
