"""Rows of single seeds under rows of their mean, so that a reader may choose."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from gradflow.reporting.live.figure import Option
from gradflow.text import text

MEAN = "mean"


def with_seeds(means: pd.DataFrame, runs: pd.DataFrame, value: str) -> pd.DataFrame:
    """Return the means over seeds, then each run's own values of `value`, told apart by the column seed.

    A comparison of one seed has no mean beside it.
    """
    seeds = runs["seed"].astype("str").where(runs["seed"].notna(), "")
    own = runs.assign(seed=seeds, mean=runs[value], low=float("nan"), high=float("nan"), n=1)
    if runs["seed"].nunique(dropna=False) < 2:
        return means.assign(seed=MEAN)
    columns = [name for name in means.columns if name in own.columns]
    return pd.concat([means.assign(seed=MEAN), own[[*columns, "seed"]]], ignore_index=True)


def choice(rows: pd.DataFrame, note: str) -> Sequence[Option]:
    """Return the choice between the mean, of which there is a note, and each seed."""
    seeds = sorted({str(seed) for seed in rows["seed"]} - {MEAN, ""}, key=lambda seed: (len(seed), seed))
    return [Option(MEAN, text("live.mean"), note=note), *(Option(seed, text("live.seed", seed=seed)) for seed in seeds)]
