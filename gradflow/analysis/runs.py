"""Who a recording is: its run, family, depth and seed, and what becomes of several seeds of one network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gradflow.analysis.intervals import mean_interval
from gradflow.recording import Recording

IDENTITY = ("run", "family", "depth", "seed")
NETWORK = ("family", "depth")

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


def as_list(recordings: Recording | Iterable[Recording]) -> list[Recording]:
    """Return the recordings as a list; one recording is accepted too.

    Raises
    ------
    TypeError
        Something in it is no recording.
    """
    found = [recordings] if isinstance(recordings, Recording) else list(recordings)
    for item in found:
        if not isinstance(item, Recording):
            raise TypeError(f"recordings must hold gradflow.Recording values; got {type(item).__name__}.")
    return found


def identities(recordings: Iterable[Recording]) -> pd.DataFrame:
    """Return one row per recording: run, family, depth, seed.

    A run's name that occurs twice is numbered, "mine", "mine (2)". A recording whose meta names no family is
    a family of its own, under the run's name; depth and seed are then <NA> unless given.
    """
    rows: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    for recording in recordings:
        seen[recording.name] = seen.get(recording.name, 0) + 1
        number = seen[recording.name]
        run = recording.name if number == 1 else f"{recording.name} ({number})"
        meta = recording.meta
        family = str(meta.get("family") or run)
        rows.append({"run": run, "family": family, "depth": meta.get("depth"), "seed": meta.get("seed")})
    frame = pd.DataFrame(rows, columns=list(IDENTITY))
    return frame.astype({"run": "str", "family": "str", "depth": "Int64", "seed": "Int64"})


def stacked(recordings: Sequence[Recording], tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the tables, one per recording, under each other, led by run, family, depth and seed."""
    who = identities(recordings)
    index = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    left = who.iloc[index].reset_index(drop=True)
    kept = [table for table in tables if len(table)] or list(tables[:1])
    right = pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()
    return pd.concat([left, right], axis=1)


def over_seeds(frame: pd.DataFrame, by: Sequence[str], measure: str, *, geometric: bool = False) -> pd.DataFrame:
    """Return mean, 95 % interval and number of seeds of one column, per group.

    Parameters
    ----------
    frame : DataFrame
        At most one row per group and run.
    by : sequence of str
        Columns that name the group, besides the seed. <NA> is a group, too.
    measure : str
        NaN entries (not measured) do not count.
    geometric : bool
        Average logarithms, as norms over many decades need. Zeros and non-finite values have no logarithm:
        they are left out, and counted in two further columns, n_zero and n_nonfinite. Where nothing but zeros
        was measured the mean is 0.

    Returns
    -------
    DataFrame
        One row per group: the columns of `by`, mean, low, high, n.

    Notes
    -----
    Student's t interval over seeds, in log space if geometric; NaN for one seed.
    """
    grouped = frame.groupby(list(by), dropna=False, sort=True)[measure]
    summarise = _geometric if geometric else _arithmetic
    rows = [(*key, *summarise(values.to_numpy(dtype=np.float64))) for key, values in grouped]
    names = ["mean", "low", "high", "n", *(("n_zero", "n_nonfinite") if geometric else ())]
    result = pd.DataFrame(rows, columns=[*by, *names])
    dtypes = {name: frame[name].dtype for name in by} | dict.fromkeys(names[:3], "float64")
    return result.astype(dtypes | dict.fromkeys(names[3:], "int64"))


def _arithmetic(values: Floats) -> tuple[float, float, float, int]:
    mean, low, high, n = mean_interval(values)
    return mean, low, high, n


def _geometric(values: Floats) -> tuple[float, float, float, int, int, int]:
    """Return geometric mean, bounds, and the numbers of positive finite, zero and infinite values."""
    n_zero, n_nonfinite = int((values == 0).sum()), int(np.isinf(values).sum())
    mean, low, high, n = mean_interval(np.log(values[(values > 0) & np.isfinite(values)]))
    if n == 0 and n_zero:
        return 0.0, math.nan, math.nan, 0, n_zero, n_nonfinite
    with np.errstate(over="ignore"):
        centre, lower, upper = np.exp([mean, low, high])
    return float(centre), float(lower), float(upper), n, n_zero, n_nonfinite


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
        raise ValueError(
            f"recordings must hold one run per family, depth and seed; "
            f"family={family!r}, depth={depth}, seed={seed} has {named}."
        )
