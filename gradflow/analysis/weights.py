"""How weights grow, and what is left of the learning rate for them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from gradflow.analysis.profile import rows_read, weighted_layers
from gradflow.analysis.runs import IDENTITY, NETWORK, as_list, check_seeds, over_seeds, stacked
from gradflow.recording import Recording

GROWTH_MEASURES = ("first_growth", "median_growth", "first_effective_lr", "median_effective_lr")


def weights(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return the weight norm of each weighted layer at each recorded step.

    Returns
    -------
    DataFrame
        One row per (run, step, layer): run, family, depth, seed, step, layer, layer_depth, weight_norm,
        growth (weight_norm over that at step 0; NaN if step 0 was not recorded), lr, effective_lr (lr /
        weight_norm^2). All NaN for recordings made without `weights=True`.

    Notes
    -----
    A weight that batch norm follows is scale-invariant: its direction moves by about lr / |w|^2 per step (van
    Laarhoven 2017, arXiv 1706.05350, section 3), so growth takes the learning rate away. The classifier,
    which no norm follows, has no such reading.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": [0, 1], "layer": "a", "weight_norm": [2.0, 4.0], "weighted": True,
    ...                        "order": 0, "layer_depth": 1})
    >>> steps = pd.DataFrame({"step": [0, 1], "lr": 0.4})
    >>> weights(Recording(layers=layers, steps=steps))[["step", "weight_norm", "growth", "effective_lr"]]
       step  weight_norm  growth  effective_lr
    0     0          2.0     1.0         0.100
    1     1          4.0     2.0         0.025
    """
    found = as_list(recordings)
    table = weighted_layers(found, [rows_read(recording.layers) for recording in found])
    table = table[[*IDENTITY, "step", "layer", "layer_depth", "weight_norm"]]
    start = table.loc[table["step"] == 0, ["run", "layer", "weight_norm"]]
    table = table.merge(start.rename(columns={"weight_norm": "_start"}), on=["run", "layer"], how="left")
    table = table.merge(_rates(found), on=["run", "step"], how="left")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        growth = table["weight_norm"] / table.pop("_start")
        effective = table["lr"] / table["weight_norm"] / table["weight_norm"]
    return table.drop(columns="lr").assign(growth=growth, lr=table["lr"], effective_lr=effective)


def weight_growth(frame: pd.DataFrame) -> pd.DataFrame:
    """Return growth and effective learning rate of the first weighted layer and of the median layer of `weights`.

    Returns
    -------
    DataFrame
        One row per (run, step): run, family, depth, seed, step, first_growth, median_growth,
        first_effective_lr, median_effective_lr. The median is over the run's weighted layers.
    """
    run_step = ["run", "step"]
    ordered = frame.sort_values([*run_step, "layer_depth"], kind="stable")
    first = ordered.drop_duplicates(run_step).rename(
        columns={"growth": "first_growth", "effective_lr": "first_effective_lr"}
    )
    # Joined by run and step alone: depth and seed may be <NA>, which no index aligns on.
    median = ordered.groupby(run_step)[["growth", "effective_lr"]].median().add_prefix("median_").reset_index()
    return first.merge(median, on=run_step)[[*IDENTITY, "step", *GROWTH_MEASURES]]


def weight_growth_over_seeds(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return geometric means over seeds of a column of `weight_growth`.

    Returns
    -------
    DataFrame
        One row per (family, depth, step): mean, low, high, n, n_zero, n_nonfinite, as in
        `profile_over_seeds`.
    """
    if measure not in GROWTH_MEASURES:
        raise ValueError(f"measure must be one of {', '.join(GROWTH_MEASURES)}; got {measure!r}.")
    check_seeds(frame)
    return over_seeds(frame, (*NETWORK, "step"), measure, geometric=True)


def _rates(recordings: list[Recording]) -> pd.DataFrame:
    """Return one row per (run, step): run, step, lr."""
    tables = [recording.steps[["step", "lr"]].drop_duplicates("step") for recording in recordings]
    return stacked(recordings, tables or [pd.DataFrame(columns=["step", "lr"])])[["run", "step", "lr"]]
