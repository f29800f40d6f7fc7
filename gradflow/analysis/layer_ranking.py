"""Which layers stand out: every layer that is trained, the most unusual gradient first."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gradflow.analysis.nonfinite import arrived_nonfinite
from gradflow.analysis.profile import one_row_per_layer
from gradflow.recording import Recording

FROZEN = "frozen"  # status of a layer or a parameter
NO_GRADIENT = "no gradient"
NONFINITE = "not finite"
ZERO = "exactly zero"
OFF = "off the median"
REASONS = (NO_GRADIENT, NONFINITE, ZERO, OFF)  # the gravest first
COLUMNS = [
    "layer", "kind", "order", "layer_depth", "weighted", "n_params", "grad_norm", "out_grad_norm", "weight_norm",
    "grad_per_weight", "decades_off", "reason", "status",
]  # fmt: skip


def ranking(recording: Recording, *, step: int = 0) -> pd.DataFrame:
    """Return the layers with parameters that are trained, at one step, the most unusual gradient first.

    Returns
    -------
    DataFrame
        One row per layer with parameters, of which one at least is not frozen: layer, kind, order, layer_depth,
        weighted, n_params, grad_norm, out_grad_norm (all calls and outputs as one vector), weight_norm,
        grad_per_weight (|g| / |w|: the change of the weights, as a share of their norm, by a plain gradient step of
        learning rate 1), decades_off, reason, status.

        `decades_off` is the base-ten logarithm of |g| / |w| over its median over weighted layers, or over norms and
        the like for a layer that is none. `reason` says what a row is sorted by: no gradient, not finite, exactly
        zero, and then off the median by so many decades.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": 0, "layer": list("abc"), "grad_norm": [1.0, 1.0, 1e-3], "weight_norm": 1.0})
    >>> layers = layers.assign(weighted=True, n_params=9, order=[0, 1, 2])
    >>> ranking(Recording(layers=layers))[["layer", "decades_off"]].head(1)
      layer  decades_off
    0     c         -3.0
    """
    rows = recording.layers[(recording.layers["step"] == step) & (recording.layers["n_params"] > 0)]
    rows = rows[~rows["layer"].isin(_frozen(recording, rows, step))]
    found = one_row_per_layer(rows)
    n_params = found["layer"].map(rows.drop_duplicates("layer").set_index("layer")["n_params"])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        per_weight = found["grad_norm"] / found["weight_norm"].where(found["weight_norm"] != 0)
        usable = per_weight.where((per_weight > 0) & np.isfinite(per_weight))
        decades = np.log10(usable / usable.groupby(found["weighted"]).transform("median"))
    is_broken = arrived_nonfinite(found, "grad_norm")
    reasons = [_reason(norm, broken) for norm, broken in zip(found["grad_norm"], is_broken, strict=True)]
    found = found.assign(n_params=n_params, grad_per_weight=per_weight, decades_off=decades, reason=reasons)
    gravity = found["reason"].map(REASONS.index).to_numpy(dtype=np.int64)
    order = np.lexsort((found["order"], -found["decades_off"].abs().fillna(0.0), gravity))
    return found.iloc[order][COLUMNS].reset_index(drop=True)


def _frozen(recording: Recording, rows: pd.DataFrame, step: int) -> set[str]:
    """Return the layers that no parameter of is trained, as far as the recording tells."""
    parameters = recording.parameters[recording.parameters["step"] == step]
    is_frozen = (parameters["status"] == FROZEN).groupby(parameters["layer"]).all()
    return {*is_frozen.index[is_frozen], *rows.loc[rows["status"] == FROZEN, "layer"]}


def _reason(norm: float, is_broken: bool) -> str:
    if is_broken:
        return NONFINITE
    if np.isnan(norm):
        return NO_GRADIENT
    return ZERO if norm == 0 else OFF
