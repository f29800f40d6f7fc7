"""The result of a comparison in one small table."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from gradflow.analysis.degradation import degradation, degradation_over_seeds
from gradflow.analysis.profile import first_to_last, profile
from gradflow.analysis.runs import IDENTITY, NETWORK, as_list, over_seeds, stacked
from gradflow.recording import Recording

RATIOS = {"grad_ratio": "grad_norm", "out_grad_ratio": "out_grad_norm"}


def summary(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return what a comparison found, per network.

    Returns
    -------
    DataFrame
        One row per (family, depth): n (seeds), train_error, train_error_low, train_error_high, n_test,
        test_error, test_error_low, test_error_high (fractions, after training; Student's 95 % over seeds, NaN
        for one), grad_ratio and out_grad_ratio (first weighted layer's gradient norm over the last one's at
        step 0, of the parameters and of the outputs; geometric means over seeds) with their bounds
        grad_ratio_low ..., seconds (mean wall time of a run), n_diverged.

    Raises
    ------
    ValueError
        Two runs share family, depth and seed.
    """
    found = as_list(recordings)
    table = degradation_over_seeds(degradation(found))
    diverged = table.pop("n_diverged")
    started = [recording for recording in found if (recording.layers.step == 0).any()]
    norms = profile(started, steps=[0])
    for name, measure in RATIOS.items():
        ratios = over_seeds(_ratio(norms, measure), NETWORK, "ratio", geometric=True)
        named = ratios.rename(columns={"mean": name, "low": f"{name}_low", "high": f"{name}_high"})
        table = table.merge(named[[*NETWORK, name, f"{name}_low", f"{name}_high"]], on=list(NETWORK), how="left")
    seconds = pd.DataFrame({"wall_seconds": [_seconds(recording) for recording in found]})
    times = stacked(found, [seconds.iloc[[index]] for index in range(len(found))])
    table["seconds"] = over_seeds(times, NETWORK, "wall_seconds")["mean"]
    return table.assign(n_diverged=diverged)


def _ratio(norms: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return first_to_last of a profile, which may have no rows."""
    if norms.empty:
        return pd.DataFrame({**dict.fromkeys(IDENTITY, pd.array([], dtype="Int64")), "ratio": np.zeros(0)}).astype(
            {"run": "str", "family": "str"}
        )
    return first_to_last(norms, measure)


def _seconds(recording: Recording) -> float:
    return float(recording.meta.get("wall_seconds") or np.nan)
