"""Who a recording is: its run, family, depth and seed, and what becomes of several seeds of one network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gradflow.analysis.intervals import ANYWHERE, Floats, Ints, mean_intervals
from gradflow.analysis.variants import labelled
from gradflow.errors import GradflowError
from gradflow.recording import Recording

IDENTITY = ("run", "family", "depth", "seed")
NETWORK = ("family", "depth")


def as_list(recordings: Recording | Iterable[Recording]) -> list[Recording]:
    """Return the recordings as a list, variants of a family under names of their own; one recording is accepted too.

    See `gradflow.analysis.variants.labelled`: runs of different settings are never taken for seeds of one network.
    Raises TypeError where something in it is no recording.
    """
    found = [recordings] if isinstance(recordings, Recording) else list(recordings)
    for item in found:
        if not isinstance(item, Recording):
            raise TypeError(f"recordings must hold gradflow.Recording values; got {type(item).__name__}.")
    return labelled(found)


def identities(recordings: Iterable[Recording]) -> pd.DataFrame:
    """Return one row per recording: run, family, depth, seed.

    A run's name that occurs twice is numbered, "mine", "mine (2)". A recording whose meta names no family is
    a family of its own, under the run's name; depth and seed are then <NA> unless given.
    """
    rows: list[dict[str, Any]] = []
    for recording in labelled(list(recordings)):
        run, meta = recording.name, recording.meta
        family = str(meta.get("family") or run)
        rows.append({"run": run, "family": family, "depth": meta.get("depth"), "seed": meta.get("seed")})
    frame = pd.DataFrame(rows, columns=list(IDENTITY))
    return frame.astype({"run": "str", "family": "str", "depth": "Int64", "seed": "Int64"})


def constant_error(recording: Recording) -> float:
    """Return meta["constant_error"], the training error of always answering the most frequent class; NaN without it."""
    found = recording.meta.get("constant_error")
    if not isinstance(found, int | float) or isinstance(found, bool) or not 0 <= found <= 1:
        return math.nan
    return float(found)


def majority_error(frame: pd.DataFrame) -> float | None:
    """Return the error of always answering the most frequent class, where all runs of a frame have the same.

    The frame is from `degradation` or `training`; without the column constant_error there is none.

    Examples
    --------
    >>> majority_error(pd.DataFrame({"constant_error": [0.9, 0.9]}))
    0.9
    >>> majority_error(pd.DataFrame({"constant_error": [0.9, 0.5]}))
    """
    if "constant_error" not in frame:
        return None
    found = frame["constant_error"].unique()
    return float(found[0]) if len(found) == 1 and not pd.isna(found[0]) else None


def stacked(recordings: Sequence[Recording], tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the tables, one per recording, under each other, led by run, family, depth and seed."""
    who = identities(recordings)
    index = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    left = who.iloc[index].reset_index(drop=True)
    kept = [table for table in tables if len(table)] or list(tables[:1])
    right = pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()
    return pd.concat([left, right], axis=1)


def over_seeds(
    frame: pd.DataFrame,
    by: Sequence[str],
    measure: str,
    *,
    geometric: bool = False,
    within: tuple[float, float] = ANYWHERE,
) -> pd.DataFrame:
    """Return one row per group: the columns of `by`, and mean, low, high (95 %) and n of a measure's values but NaN.

    The frame has at most one row per group and run; <NA> is a group, too. `geometric` averages logarithms, as norms
    over many decades need. Zeros and non-finite values have none: they are left out, and counted in two further
    columns, n_zero and n_nonfinite; where nothing but zeros was measured the mean is 0. Intervals are cut at the ends
    of `within`, where values can lie, such as 0 and 1 for shares.

    Notes
    -----
    Student's t interval over seeds, in log space if geometric; NaN for one seed.
    """
    groups = frame.groupby(list(by), dropna=False, sort=True).ngroup().to_numpy(dtype=np.int64)
    _, first = np.unique(groups, return_index=True)
    keys = frame[list(by)].iloc[first].reset_index(drop=True)
    values = frame[measure].to_numpy(dtype=np.float64)
    found = _geometric(values, groups, len(keys)) if geometric else _arithmetic(values, groups, len(keys))
    cut = {bound: np.clip(found[bound], *within) for bound in ("low", "high")}
    return keys.assign(**{**found, **cut})


def _arithmetic(values: Floats, groups: Ints, n_groups: int) -> dict[str, Floats | Ints]:
    mean, low, high, n = mean_intervals(values, groups, n_groups)
    return {"mean": mean, "low": low, "high": high, "n": n}


def _geometric(values: Floats, groups: Ints, n_groups: int) -> dict[str, Floats | Ints]:
    """Return geometric means, bounds, and the numbers of positive finite, zero and infinite values."""
    n_zero = np.bincount(groups[values == 0], minlength=n_groups)
    n_nonfinite = np.bincount(groups[np.isinf(values)], minlength=n_groups)
    logs = np.log(np.where((values > 0) & np.isfinite(values), values, np.nan))
    mean, low, high, n = mean_intervals(logs, groups, n_groups)
    with np.errstate(over="ignore"):
        centre, lower, upper = np.exp(mean), np.exp(low), np.exp(high)
    centre = np.where((n == 0) & (n_zero > 0), 0.0, centre)
    return {"mean": centre, "low": lower, "high": upper, "n": n, "n_zero": n_zero, "n_nonfinite": n_nonfinite}


def check_seeds(frame: pd.DataFrame) -> None:
    """Raise ValueError if one seed of a network has several runs: they are no independent repetitions.

    Runs whose meta names no seed are taken as repetitions.
    """
    runs = frame[list(IDENTITY)].drop_duplicates().dropna(subset=["seed"])
    repeated = runs[runs.duplicated(["family", "depth", "seed"], keep=False)]
    if len(repeated):
        family, depth, seed = repeated.iloc[0][["family", "depth", "seed"]]
        same = repeated[(repeated.family == family) & (repeated.seed == seed)]
        named = ", ".join(same.run[(same.depth == depth) | (same.depth.isna() & pd.isna(depth))])
        raise GradflowError(
            f"recordings must hold one run per family, depth and seed; "
            f"family={family!r}, depth={depth}, seed={seed} has {named}."
        )
