"""Two runs, or two groups of runs, side by side: which layers' gradients, weights and updates differ, since when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from gradflow.analysis.levels import MEASURES, MIN_CHANGE, allowed, levels, norms_by_step, over_steps, quantile
from gradflow.analysis.runs import as_list
from gradflow.errors import GradflowError
from gradflow.recording import Recording
from gradflow.text import text

SHARED = 0.5  # of the layers of the smaller network: with fewer names in common they are aligned by depth
PATIENCE = 3  # successive recorded steps: one alone may be an odd batch
Pair = tuple[str, str]


class First(NamedTuple):
    """The first step at which something differs beyond the noise, and where it differs most then."""

    step: int
    layer: str
    other: str
    measure: str
    change: float


class Difference(NamedTuple):
    """What differs between two groups of runs, whose layers were aligned `by` "name" or "depth".

    `rows` has one per pair of layers and measure, those that differ most for what chance explains first: layer, other
    (the other group's layer), measure, was, now (log10 of the median norms), change (now - was, decades), allowed (what
    chance explains), beyond (|change| / allowed), step (since which recorded step it differs; -1 never). `first` is
    what changed first; layers `only_was` and `only_now` have no partner; both have `steps` recorded.
    """

    rows: pd.DataFrame
    first: First | None
    by: Literal["name", "depth"]
    only_was: tuple[str, ...]
    only_now: tuple[str, ...]
    steps: int

    @property
    def differing(self) -> pd.DataFrame:
        """The rows that differ by more than chance explains."""
        return self.rows[self.rows["beyond"] > 1]


def difference(before: Recording | Iterable[Recording], after: Recording | Iterable[Recording]) -> Difference:
    """Compare two groups of runs, layer by layer.

    Layers are aligned by name; where fewer than half of the names of the smaller network are in both, weighted layers
    are aligned by their relative place from input to output.

    Raises
    ------
    GradflowError
        No layer was recorded in one of them, or no step in both.

    Notes
    -----
    What chance explains is as in `levels.allowed`, from the spread between the runs of either group, or between steps
    where each is one run. At single steps it is the spread between steps.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": range(7), "layer": "a", "grad_norm": 1.0})
    >>> later = layers.assign(grad_norm=[1.0, 1.0, 1.0, 100.0, 100.0, 100.0, 100.0])
    >>> difference(Recording(layers=layers), Recording(layers=later)).first
    First(step=3, layer='a', other='a', measure='grad_norm', change=2.0)
    """
    groups = as_list(before), as_list(after)
    if not all(any(len(run.layers) for run in group) for group in groups):
        raise GradflowError(text("error.no_layers"))
    pairs, by = _aligned(*(_places(group) for group in groups))
    frames = [levels(group) for group in groups]
    rows = _compared(pairs, frames, len(groups[1]))
    course = _course(pairs, groups)
    keys = zip(rows["layer"].tolist(), rows["other"].tolist(), rows["measure"].tolist(), strict=True)
    rows["step"] = [course.since.get(key, -1) for key in keys]
    rows = rows.sort_values("beyond", ascending=False, kind="stable", ignore_index=True)
    known = [{pair[side] for pair in pairs} for side in (0, 1)]
    alone = [
        tuple(layer for layer in dict.fromkeys(frame["layer"]) if layer not in mine)
        for frame, mine in zip(frames, known, strict=True)
    ]
    return Difference(rows, course.first, by, alone[0], alone[1], course.steps)


def _places(group: Sequence[Recording]) -> pd.DataFrame:
    """Return the layers in execution order, and whether they are weighted."""
    rows = pd.concat([run.layers[["layer", "order", "weighted"]].drop_duplicates("layer") for run in group])
    return rows.sort_values("order", kind="stable").drop_duplicates("layer", ignore_index=True)


def _aligned(before: pd.DataFrame, after: pd.DataFrame) -> tuple[list[Pair], Literal["name", "depth"]]:
    names, others = before["layer"].tolist(), set(after["layer"])
    shared = [name for name in names if name in others]
    if len(shared) >= SHARED * min(len(names), len(others)):
        return [(name, name) for name in shared], "name"
    ends = [frame.loc[frame["weighted"], "layer"].tolist() or frame["layer"].tolist() for frame in (before, after)]
    few, many = sorted(ends, key=len)
    nearest = np.rint(np.linspace(0, len(many) - 1, len(few))).astype(int)
    pairs = [(one, many[place]) for one, place in zip(few, nearest, strict=True)]
    return (pairs if few is ends[0] else [(other, one) for one, other in pairs]), "depth"


def _compared(pairs: Sequence[Pair], frames: Sequence[pd.DataFrame], n_after: int) -> pd.DataFrame:
    was, now = (frame[["layer", "measure", "level", "spread", "n_runs"]] for frame in frames)
    rows = pd.DataFrame(pairs, columns=["layer", "other"]).merge(was, on="layer")
    rows = rows.merge(now.rename(columns={"layer": "other"}), on=["other", "measure"], suffixes=("", "_now"))
    rows["spread"] = _spread(rows)
    rows["allowed"] = allowed(rows, n_after, len(rows))
    with np.errstate(invalid="ignore"):
        change = np.where(rows["level_now"] == rows["level"], 0.0, rows["level_now"] - rows["level"])
    rows = rows.rename(columns={"level": "was", "level_now": "now"}).assign(change=change)
    rows["beyond"] = rows["change"].abs() / rows["allowed"]
    return rows[["layer", "other", "measure", "was", "now", "change", "allowed", "beyond"]]


def _spread(rows: pd.DataFrame) -> pd.Series[float]:
    """Return the spread of both groups, of which that between runs says more than that between steps."""
    squares = pd.DataFrame({"was": rows["spread"] ** 2, "now": rows["spread_now"] ** 2})
    has_runs = pd.DataFrame({"was": rows["n_runs"] > 1, "now": rows["n_runs_now"] > 1})
    counted = squares.where(has_runs | ~has_runs.any(axis=1).to_numpy()[:, None])
    return counted.mean(axis=1) ** 0.5


class _Course(NamedTuple):
    since: dict[tuple[str, str, str], int]
    first: First | None
    steps: int


def _course(pairs: Sequence[Pair], groups: Sequence[Sequence[Recording]]) -> _Course:
    """Return since which step each pair differs, and the first of all."""
    sides = {measure: [[_logs(run, measure) for run in group] for group in groups] for measure in MEASURES}
    means = {measure: [_mean(logs) for logs in both] for measure, both in sides.items()}
    n_compared = sum(len(was) * was.shape[1] for was, _ in means.values())
    since: dict[tuple[str, str, str], int] = {}
    best: tuple[float, First] | None = None
    n_steps = 0
    for measure, (was, now) in means.items():
        steps = was.index.intersection(now.index)
        n_steps = max(n_steps, len(steps))
        for layer, other in pairs:
            if layer not in was or other not in now or steps.empty:
                continue
            one, two = was.loc[steps, layer].to_numpy(), now.loc[steps, other].to_numpy()
            noise = [_noise(logs, name) for logs, name in zip(sides[measure], (layer, other), strict=True)]
            limit = max(MIN_CHANGE, quantile(n_compared) * math.hypot(*noise))
            with np.errstate(invalid="ignore"):
                change = np.where(one == two, 0.0, two - one)
            place = _lasting(np.abs(change) > limit)
            if place is None:
                continue
            step, size = int(steps[place]), float(abs(change[place])) / limit
            since[layer, other, measure] = step
            if best is None or (step, -size) < (best[1].step, -best[0]):
                best = size, First(step, layer, other, measure, float(change[place]))
    if not n_steps:
        raise GradflowError(text("error.no_common_step"))
    return _Course(since, None if best is None else best[1], n_steps)


def _lasting(differs: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int | None:
    """Return the first of `PATIENCE` successive places, None if there are no such."""
    runs = np.convolve(differs, np.ones(PATIENCE, dtype=int), "valid") if len(differs) >= PATIENCE else np.zeros(0)
    found = np.flatnonzero(runs == PATIENCE)
    return int(found[0]) if len(found) else None


def _noise(logs: Sequence[pd.DataFrame], layer: str) -> float:
    """Return the standard deviation of a group's mean at one step: between its runs, else between steps."""
    own = [one[layer] for one in logs if layer in one]
    if len(own) > 1:
        between = pd.concat(own, axis=1).replace([np.inf, -np.inf], np.nan).var(axis=1, ddof=1).mean()
        return math.sqrt(np.nan_to_num(between / len(own)))
    return float(np.nan_to_num(over_steps(own[0].to_numpy())))


def _logs(run: Recording, measure: str) -> pd.DataFrame:
    """Return log10 of a measure: a row a step and a column a layer."""
    with np.errstate(divide="ignore"):
        return norms_by_step(run, measure).transform(np.log10)


def _mean(logs: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the mean over the runs."""
    with np.errstate(invalid="ignore"):
        return pd.concat(logs).groupby(level=0).mean() if len(logs) > 1 else logs[0]
