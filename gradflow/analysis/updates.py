"""How large updates are beside the weights: the smallest, the median and the largest ratio of a network's layers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from gradflow.analysis.runs import IDENTITY, NETWORK, as_list, check_seeds, over_seeds, stacked
from gradflow.recording import Recording

LAYERS = ("largest", "median", "smallest")
_STATISTICS = dict(zip(LAYERS, ("max", "median", "min"), strict=True))


def updates(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return the norm of each update over that of the weights, of three layers of each run and step.

    Parameters
    ----------
    recordings : Recording or iterable of Recording
        Recorded with `weights=True` and the optimizer.

    Returns
    -------
    DataFrame
        One row per (run, step, of): run, family, depth, seed, step, of, ratio. `of` is "largest", "median" or
        "smallest" over the weighted layers whose weights are not zero; a ratio that is not finite counts as infinite.
        Steps without an update have no row.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": 0, "layer": ["a", "b"], "weight_norm": [2.0, 1.0], "update_norm": [1e-3, 1e-2],
    ...                        "weighted": True, "order": [0, 1], "layer_depth": [1, 2]})
    >>> updates(Recording(layers=layers, meta={"run": "mine"}))[["step", "of", "ratio"]].values.tolist()
    [[0, 'largest', 0.01], [0, 'median', 0.00525], [0, 'smallest', 0.0005]]
    """
    found = as_list(recordings)
    table = stacked(found, [_updated(recording.layers) for recording in found])
    with np.errstate(invalid="ignore", over="ignore"):
        ratio = (table["update_norm"] / table["weight_norm"]).fillna(np.inf)
    of_step = table.assign(ratio=ratio).groupby([*IDENTITY, "step"], dropna=False, sort=False)["ratio"]
    parts = [of_step.agg(how).rename("ratio").reset_index().assign(of=of) for of, how in _STATISTICS.items()]
    rows = pd.concat(parts, ignore_index=True).sort_values(["run", "step", "of"], kind="stable", ignore_index=True)
    return rows[[*IDENTITY, "step", "of", "ratio"]]


def updates_over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return geometric means over seeds of the ratios of `updates`.

    Returns
    -------
    DataFrame
        One row per (family, depth, step, of): mean, low, high, n, n_zero, n_nonfinite, as in `profile_over_seeds`.
    """
    check_seeds(frame)
    return over_seeds(frame, (*NETWORK, "step", "of"), "ratio", geometric=True)


def _updated(layers: pd.DataFrame) -> pd.DataFrame:
    """Return step, weight_norm and update_norm of the weighted layers that an update was recorded of."""
    is_known = layers["weighted"] & layers["update_norm"].notna() & (layers["weight_norm"] != 0)
    rows = layers.loc[is_known].drop_duplicates(["step", "layer"])  # one pass of several has the parameters' numbers
    return rows[["step", "weight_norm", "update_norm"]]
