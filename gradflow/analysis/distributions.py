"""How gradients, weights and outputs of each layer are distributed over orders of magnitude, at a few steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import pandas as pd

from gradflow.analysis.profile import few_steps
from gradflow.analysis.runs import IDENTITY, as_list, stacked
from gradflow.errors import GradflowError
from gradflow.recording import Recording

KINDS = ("gradient", "weight", "activation")
MAX_STEPS = 6
_HALF = 0.75  # of a power of two, from which on a bin is in its upper half
_COLUMNS = [
    *IDENTITY, "kind", "step", "layer", "order", "weighted", "n_params",
    "low", "high", "negative", "positive", "zeros", "nonfinite", "n",
]  # fmt: skip


def distributions(
    recordings: Recording | Iterable[Recording],
    *,
    kind: str | None = None,
    layers: Iterable[str] | None = None,
    steps: Iterable[int] | Literal["recorded"] | None = None,
) -> pd.DataFrame:
    """Return how many entries of each layer's gradients, weights and output lie between two magnitudes.

    Parameters
    ----------
    kind : str, optional
        "gradient", of all of a layer's parameters, "weight", these, or "activation", the layer's output.
    layers : iterable of str, optional
        These alone.
    steps : iterable of int or "recorded", optional
        Which of the steps with distributions; by default at most six of them, evenly in logarithm, with the first and
        the last; "recorded" gives them all.

    Returns
    -------
    DataFrame
        One row per (run, kind, step, layer) and bin with an entry, layers in the order in which they run: run, family,
        depth, seed, kind, step, layer, order, weighted, n_params; low and high, the ends of the bin, in magnitude, 1 to
        1.5 or 1.5 to 2 times a power of two; negative and positive, the shares of the layer's entries that lie in it,
        by their sign; zeros, the share of its entries that are zero; nonfinite, how many are NaN or infinite; n, how
        many there are. A layer without a number other than zero has one row, whose low and high are NaN. Without
        distributions (`gradflow.record(distributions=True)`) there is no row.

    Raises
    ------
    GradflowError
        None of the recordings has distributions of a layer, of the kind or at a step that is asked for.

    Examples
    --------
    >>> bins = pd.DataFrame({"step": 0, "layer": "a", "kind": "weight", "low": [-1.25, 0, 1], "high": [-1, 0, 1.25],
    ...                      "count": [1, 2, 5]})
    >>> found = distributions(Recording(distributions=bins, meta={"run": "mine"}))
    >>> found[["layer", "low", "high", "negative", "positive", "zeros", "n"]]
      layer  low  high  negative  positive  zeros  n
    0     a  1.0   1.5     0.125     0.625   0.25  8
    """
    found = as_list(recordings)
    asked = {"kind": [kind] if kind else None, "layer": layers, "step": None if isinstance(steps, str) else steps}
    tables = [recording.distributions for recording in found]
    for column, values in asked.items():
        if values is not None:
            tables = _having(tables, column, list(values))
    if steps is None:
        tables = [table[table["step"].isin(few_steps(table["step"].unique().tolist(), MAX_STEPS))] for table in tables]
    parts = [_binned(table, one.layers) for table, one in zip(tables, found, strict=True)]
    return stacked(found, parts or [_binned(Recording().distributions, Recording().layers)])[_COLUMNS]


def _having(tables: list[pd.DataFrame], column: str, values: list[object]) -> list[pd.DataFrame]:
    """Return the rows that hold one of some values; GradflowError for one that none of the tables holds."""
    known = pd.concat([table[column] for table in tables]).drop_duplicates().tolist() if tables else []
    missing = [value for value in values if value not in known]
    if known and missing:
        there = ", ".join(map(str, known[:8])) + (", ..." if len(known) > 8 else "")
        raise GradflowError(f"there are no distributions of {column} {missing[0]!r}; there are of {there}.")
    return [table[table[column].isin(values)] for table in tables]


def _binned(table: pd.DataFrame, layers: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one recording, of all of a layer's parameters together."""
    keys = ["kind", "step", "layer"]
    table = table[table["kind"].isin(KINDS)]
    low, high = table["low"].to_numpy(), table["high"].to_numpy()
    near, far = np.minimum(np.abs(low), np.abs(high)), np.maximum(np.abs(low), np.abs(high))
    is_bin = np.isfinite(near) & (low < high) & (low * high >= 0)
    with np.errstate(invalid="ignore", over="ignore"):
        part, power = np.frexp(np.where(near > 0, near, far / 2))  # of the smallest numbers bins begin at zero
        in_upper = part >= _HALF
        ends = np.ldexp(np.where(in_upper, _HALF, 0.5), power), np.ldexp(np.where(in_upper, 1.0, _HALF), power)
    counts = table["count"].where(is_bin, 0)
    bins = table[keys].assign(
        low=np.where(is_bin, ends[0], np.nan),
        high=np.where(is_bin, np.minimum(ends[1], np.finfo(np.float64).max), np.nan),
        negative=counts.where(high <= 0, 0),
        positive=counts.where(high > 0, 0),
    )
    is_zero = (low == 0) & (high == 0)
    of_layers = table[keys].assign(
        n=table["count"], zeros=table["count"].where(is_zero, 0), nonfinite=table["count"].where(~(is_bin | is_zero), 0)
    )
    of_layers = of_layers.groupby(keys, sort=False)[["n", "zeros", "nonfinite"]].sum().reset_index()
    binned = bins[is_bin].groupby([*keys, "low", "high"], sort=False)[["negative", "positive"]].sum().reset_index()
    rows = of_layers[of_layers["n"] > 0].merge(binned, on=keys, how="left")
    shares = {name: rows[name].fillna(0.0) / rows["n"] for name in ("negative", "positive", "zeros")}
    known = layers[["layer", "order", "weighted", "n_params"]].drop_duplicates("layer", keep="last")
    rows = rows.assign(**shares).merge(known, on="layer", how="left")
    rows = rows.fillna({"order": -1, "weighted": False, "n_params": 0}).astype({"order": "int64", "n_params": "int64"})
    rows = rows.assign(
        _kind=rows["kind"].map(KINDS.index), _order=rows["order"].where(rows["order"] >= 0, np.iinfo(np.int64).max)
    )
    return rows.sort_values(["_kind", "step", "_order", "layer", "low"], kind="stable", ignore_index=True)
