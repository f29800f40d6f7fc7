"""How far gradients of different inputs agree, by depth and by lag, over seeds, beside the closed forms."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from gradflow.analysis.runs import as_list, check_seeds, over_seeds, stacked
from gradflow.analysis.variants import base_family
from gradflow.errors import GradflowError
from gradflow.recording import AUTOCORRELATION, INPUT, SHATTERING, Recording
from gradflow.theory.correlation import gradient_correlation

EXPERIMENT = "shattering"  # the closed form is for its networks
KIND = ("family", "norm", "depth")


def shattering_by_depth(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return the correlation of the gradients at the input, with its interval over seeds.

    Parameters
    ----------
    recordings : Recording or iterable of Recording
        With the probe "shattering"; those without are left out.

    Returns
    -------
    DataFrame
        One row per (family, norm, depth): mean, low, high (Student's 95 % interval over seeds, NaN for one), n,
        predicted (closed form; NaN unless networks are of `gradflow.experiments.shattering_by_depth`). `norm` is
        "batch" or "" (none, or not said).

    Raises
    ------
    ValueError
        Two runs share family, norm, depth and seed.
    """
    found = _with_probe(recordings, SHATTERING)
    frame = _at_input(found, SHATTERING)
    return over_seeds(frame, [*KIND, "predicted"], "value")[[*KIND, "mean", "low", "high", "n", "predicted"]]


def shattering_by_layer(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return the correlation of the gradients at every weighted layer, with its interval over seeds.

    Parameters
    ----------
    recordings : Recording or iterable of Recording
        With the probe "shattering"; those without are left out.

    Returns
    -------
    DataFrame
        One row per (family, norm, depth, layers_after), from the output to the input: layers_after (weighted layers
        that the gradient has come through; of several with as many, as of a projection beside a convolution, the first
        to run counts), mean, low, high, n as in `shattering_by_depth`. Layers whose output has no row per input, and
        so no value, are left out.
    """
    found = _with_probe(recordings, SHATTERING)
    frame = stacked(found, [_of_layers(recording) for recording in found])
    return over_seeds(frame, [*KIND, "layers_after"], "value")[[*KIND, "layers_after", "mean", "low", "high", "n"]]


def autocorrelation_by_lag(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return the autocorrelation of the gradients along a line of inputs, at the input, with its interval over seeds.

    Parameters
    ----------
    recordings : Recording or iterable of Recording
        With the probe "autocorrelation"; those without are left out.

    Returns
    -------
    DataFrame
        One row per (family, norm, depth, lag): mean, low, high, n, points (inputs on the line).

    Raises
    ------
    GradflowError
        A lag is not smaller than the number of inputs.
    """
    frame = _at_input(_with_probe(recordings, AUTOCORRELATION), AUTOCORRELATION)
    if (short := frame[frame["x"] >= frame["n"]]).size:
        run, lag, n = short.iloc[0][["run", "x", "n"]]
        raise GradflowError(f"the autocorrelation of {run!r} must be of more inputs than its lag {lag:g}; got n = {n}.")
    frame = frame.rename(columns={"x": "lag", "n": "points"})
    return over_seeds(frame, [*KIND, "lag", "points"], "value")[[*KIND, "lag", "mean", "low", "high", "n", "points"]]


def _with_probe(recordings: Recording | Iterable[Recording], probe: str) -> list[Recording]:
    found = [one for one in as_list(recordings) if (one.probes["probe"] == probe).any()]
    if not found:
        raise GradflowError(f"recordings must hold the probe {probe!r} (gradflow.probe.shattering); none does.")
    return found


def _at_input(recordings: list[Recording], probe: str) -> pd.DataFrame:
    """Return the probe's rows at the input, led by run, family, depth and seed, with norm and closed form."""
    tables = [_rows(recording, probe) for recording in recordings]
    frame = stacked(recordings, tables)
    for _, rows in frame.groupby("norm"):
        check_seeds(rows)
    return frame


def _rows(recording: Recording, probe: str) -> pd.DataFrame:
    probes = recording.probes
    rows = probes[(probes["probe"] == probe) & (probes["layer"] == INPUT)]
    return rows.assign(norm=str(recording.meta.get("norm") or ""), predicted=_predicted(recording))


def _of_layers(recording: Recording) -> pd.DataFrame:
    probes = recording.probes
    rows = probes[(probes["probe"] == SHATTERING) & probes["value"].notna()].drop_duplicates("x")
    after = rows["x"].astype("int64")
    return rows.assign(layers_after=after, norm=str(recording.meta.get("norm") or "")).sort_values("layers_after")


def _predicted(recording: Recording) -> float:
    meta = recording.meta
    if meta.get("experiment") != EXPERIMENT or meta.get("depth") is None:
        return np.nan
    return gradient_correlation(
        int(meta["depth"]), skip=base_family(recording) == "residual", batch_norm=meta.get("norm") == "batch"
    )
