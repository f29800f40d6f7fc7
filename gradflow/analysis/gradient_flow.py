"""Which layers get how much gradient: the median and the largest norm of each over the recorded steps."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from gradflow.analysis.nonfinite import arrived_nonfinite
from gradflow.analysis.profile import main_path, profile
from gradflow.recording import Recording

_LAYER = ["run", "family", "depth", "seed", "layer", "layer_depth"]


def gradient_flow(
    recordings: Recording | Iterable[Recording], *, measure: str = "grad_norm", step: int | None = None
) -> pd.DataFrame:
    """Return the median and the largest gradient norm of each weighted layer over the recorded steps.

    Parameters
    ----------
    measure : str
        "grad_norm", of the layer's parameters, or "out_grad_norm", of its output.
    step : int, optional
        That step alone.

    Returns
    -------
    DataFrame
        One row per (run, layer), in order of depth: run, family, depth, seed, layer, layer_depth, median, largest, n
        (steps with a measured gradient). A norm that is NaN or infinite counts as infinite.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": [0, 1, 2], "layer": "a", "grad_norm": [0.1, 0.4, 0.2], "weighted": True,
    ...                        "order": 0, "layer_depth": 1})
    >>> gradient_flow(Recording(layers=layers, meta={"run": "mine"}))[["layer", "median", "largest", "n"]]
      layer  median  largest  n
    0     a     0.2      0.4  3
    """
    path = main_path(profile(recordings, steps="recorded" if step is None else [step]))
    path = path.assign(norm=path[measure].mask(arrived_nonfinite(path, measure), np.inf))
    grouped = path.groupby(_LAYER, dropna=False, sort=False)["norm"]
    found = grouped.agg(median="median", largest="max", n="count").reset_index()
    measured = found[found["n"] > 0]
    return measured.sort_values(["run", "layer_depth"], kind="stable", ignore_index=True)
