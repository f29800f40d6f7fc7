"""Measured factors per layer beside the closed forms that apply to them, over the demonstration and comparisons."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from gradflow import theory
from gradflow.analysis.decay import decay, decay_over_seeds
from gradflow.analysis.runs import as_list
from gradflow.analysis.vanishing_degree import LEAVE_OUT
from gradflow.analysis.vanishing_table import REQUIRED, TRANSIENT, vanishing_table
from gradflow.analysis.variants import base_family
from gradflow.recording import Recording

COMPARISON = "compare"  # meta["experiment"] of the CIFAR networks: batch norm before each ReLU, Kaiming weights
_NETWORK = {"activation": "relu", "init": "kaiming", "norm": "batch"}
FAMILIES = {"plain": False, "residual": True}  # whether the family has skips

_DTYPES = (
    {"setting": "str", "label": "str", "family": "str", "depth": "Int64", "stage": "Int64", "n": "int64"}
    | dict.fromkeys(("factor", "low", "high", "predicted"), "float64")
    | dict.fromkeys(("difference", "difference_low", "difference_high"), "float64")
    | {"inside": "boolean", "shape": "str", "trend": "str", "source": "str"}
)


def predicted(recordings: Recording | Iterable[Recording], *, measured: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return each factor per layer before training beside its closed form.

    Parameters
    ----------
    recordings : Recording or iterable of Recording
        Those of `gradflow.experiments.vanishing` (meta names activation, init, norm, skip) and of
        `gradflow.compare` have a law; others are left out.
    measured : DataFrame, optional
        `vanishing_table` of these recordings, where it is at hand.

    Returns
    -------
    DataFrame
        One row per setting of the demonstration, then one per network and stage of a comparison: setting and
        label (demonstration), family, depth and stage (comparison); n (seeds), factor, low, high, as in
        `decay_over_seeds`; predicted, and difference = factor / predicted - 1 with its interval; inside, whether
        the interval holds the prediction, <NA> without one; shape, trend and source of the law, as in
        `gradflow.theory.Law`.

        Of a power law `predicted` is the regression over the layers that are fitted. For residual networks of a
        comparison it is NaN: their law has a shape, and its factor depends on more than the layer's number. The
        first two layers of a stage and its last stay out of the fit, of residual networks, as in
        `gradflow.analysis.degree`, the first alone.

    Examples
    --------
    >>> predicted([]).empty
    True
    """
    found = as_list(recordings)
    settings = [run for run in found if all(run.meta.get(key) is not None for key in REQUIRED)]
    compared = [run for run in found if run.meta.get("experiment") == COMPARISON and _has_start(run)]
    rows = _settings(settings, vanishing_table(settings) if measured is None else measured) if settings else []
    for family in FAMILIES:
        rows += _networks([run for run in compared if base_family(run) == family], family)
    return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)


def _has_start(run: Recording) -> bool:
    """Whether the run's network is of the kind that the law is for, and was recorded before training."""
    settings = run.meta.get("settings") or {}
    is_known = all(settings.get(name, usual) == usual for name, usual in _NETWORK.items())
    return is_known and base_family(run) in FAMILIES and bool((run.layers["step"] == 0).any())


def _settings(recordings: list[Recording], measured: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the demonstration's rows."""
    metas = {str(run.meta["setting"]): run.meta for run in recordings}
    rows = []
    for row in measured.to_dict("records"):
        meta = metas[str(row["setting"])]
        law = theory.law(
            activation=meta["activation"], init=meta["init"], norm=meta.get("norm"), skip=bool(meta.get("skip"))
        )
        named = {"setting": row["setting"], "label": row["label"], "family": ""}
        rows.append(named | _compared(row, row["predicted"], law))
    return rows


def _networks(recordings: list[Recording], family: str) -> list[dict[str, Any]]:
    """Return a family's rows: each network's stages, without the classifier's."""
    if not recordings:
        return []
    law = theory.law(**_NETWORK, skip=FAMILIES[family])
    leave_out = TRANSIENT if law.is_constant else LEAVE_OUT
    frame = decay_over_seeds(decay(recordings, leave_out=leave_out)).dropna(subset="factor")
    closed = law.factor if law.is_constant else math.nan
    return [
        {"setting": "", "label": "", **{name: row[name] for name in ("family", "depth", "stage")}}
        | _compared(row, closed, law)
        for row in frame.to_dict("records")
    ]


def _compared(row: Any, closed: float, law: theory.Law) -> dict[str, Any]:
    """Return one measurement beside one prediction."""
    differences = [row[name] / closed - 1 for name in ("factor", "low", "high")]
    known = bool(np.isfinite([row["low"], row["high"], closed]).all())
    return {
        **{name: row[name] for name in ("n", "factor", "low", "high")},
        "predicted": closed,
        **dict(zip(("difference", "difference_low", "difference_high"), differences, strict=True)),
        "inside": row["low"] <= closed <= row["high"] if known else pd.NA,
        "shape": law.shape,
        "trend": law.trend,
        "source": law.source,
    }
