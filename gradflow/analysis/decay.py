"""By which factor the gradient's norm changes per layer, walking backward."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from gradflow.analysis.intervals import Floats, student
from gradflow.analysis.profile import MEASURES, weighted_layers
from gradflow.analysis.runs import as_list, identities, over_seeds
from gradflow.recording import Recording

MEASURED = "measured"
TWO_LAYERS = "two layers: no interval"
NO_FIT = "fewer than two positive norms"
NO_LAYERS = "no weighted layer of known depth"
NO_STEP = "step not recorded"

GROUP = ("setting", "family", "depth", "step", "stage")
_DTYPES = (
    {"run": "str", "setting": "str", "family": "str", "depth": "Int64", "seed": "Int64", "step": "int64"}
    | dict.fromkeys(("stage", "first_depth", "last_depth", "n_layers"), "int64")
    | dict.fromkeys(("factor", "low", "high", "ratio", "decades"), "float64")
    | {"n_zero": "int64", "n_nonfinite": "int64", "status": "str"}
)


def decay(
    recordings: Recording | Iterable[Recording],
    *,
    step: int = 0,
    measure: str = "out_grad_norm",
    leave_out: tuple[int, int] = (0, 0),
) -> pd.DataFrame:
    """Return the factor per layer of each stage, by regression of ln(norm) on layer_depth.

    Parameters
    ----------
    recordings : Recording or iterable of Recording
        Not changed.
    step : int
        A recorded step.
    measure : str
        out_grad_norm, grad_norm, weight_norm or grad_times_weight.
    leave_out : two ints
        Layers of each stage that stay out of the fit, at its first and at its last end.

    Returns
    -------
    DataFrame
        One row per (run, stage): run, setting, family, depth, seed, step, stage; first_depth, last_depth,
        n_layers of the fit; factor, low, high; ratio, decades; n_zero, n_nonfinite; status.

        `factor` is |g_(l-1)| / |g_l|: below 1 gradients vanish toward the input, above they explode. `low`
        and `high` are the regression's 95 % interval over layers, NaN below three. `ratio` is the first
        weighted layer's norm over the last one's, of the whole network, and `decades` its log10. Zeros and
        non-finite norms have no logarithm and stay out of the fit: n_zero and n_nonfinite count them. Where
        nothing can be fitted factor is NaN and `status` tells why. Weighted layers of the main path count, as
        in `profile`.

    Raises
    ------
    ValueError
        `measure` is unknown, or `leave_out` is negative.

    Notes
    -----
    factor = exp(-slope), least squares; slope ± t(0.975, n_layers - 2) standard errors. Its two ends come
    from neighbouring layers, which are not independent: compare seeds (`decay_over_seeds`) where there are
    several.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": 0, "layer": list("abc"), "out_grad_norm": [1.0, 2.0, 4.0], "stage": 0,
    ...                        "weighted": True, "order": [0, 1, 2], "layer_depth": [1, 2, 3]})
    >>> decay(Recording(layers=layers))[["factor", "n_layers", "ratio"]].round(3)
       factor  n_layers  ratio
    0     0.5         3   0.25
    """
    if measure not in MEASURES:
        raise ValueError(f"measure must be one of {', '.join(MEASURES)}; got {measure!r}.")
    if min(leave_out) < 0:
        raise ValueError(f"leave_out must be two counts of layers, at least 0; got {leave_out}.")
    found = as_list(recordings)
    at_step = [recording.layers[recording.layers["step"] == step] for recording in found]
    by_run = weighted_layers(found, at_step).groupby("run", sort=False)
    paths = {str(run): path for run, path in by_run}
    rows: list[dict[str, Any]] = []
    for recording, layers, who in zip(found, at_step, identities(found).itertuples(index=False), strict=True):
        setting = str(recording.meta.get("setting") or "")
        family = str(recording.meta.get("family") or setting or who.run)
        network = {"run": who.run, "setting": setting, "family": family, "depth": who.depth, "seed": who.seed}
        why_none = NO_LAYERS if len(layers) else NO_STEP
        stages = _stages(paths.get(str(who.run), layers.iloc[:0]), measure, leave_out, why_none)
        rows.extend(network | {"step": step} | stage for stage in stages)
    return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)


def decay_over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the factor per layer of each network and stage, over its seeds.

    Parameters
    ----------
    frame : DataFrame
        From `decay`.

    Returns
    -------
    DataFrame
        One row per (setting, family, depth, step, stage): factor, low, high, n; decades, decades_low,
        decades_high, decades_n. Factors are averaged as geometric means with Student's 95 % interval in log
        space, decades (signed; log10 of first over last norm) as they are. A single seed has no interval:
        NaN. Only finite decades count: an end that is exactly zero has none.

    Examples
    --------
    >>> frame = pd.DataFrame({"run": ["a", "b"], "setting": "", "family": "plain", "depth": 20, "step": 0})
    >>> frame = frame.assign(stage=0, factor=[0.5, 2.0], decades=[-3.0, 3.0])
    >>> decay_over_seeds(frame)[["factor", "decades", "n"]]
       factor  decades  n
    0     1.0      0.0  2
    """
    factor = over_seeds(frame, GROUP, "factor", geometric=True).rename(columns={"mean": "factor"})
    finite = frame.assign(decades=frame["decades"].where(np.isfinite(frame["decades"])))
    decades = over_seeds(finite, GROUP, "decades")
    factor = factor.drop(columns=["n_zero", "n_nonfinite"]).assign(decades=decades["mean"])
    return factor.assign(**{f"decades_{name}": decades[name] for name in ("low", "high", "n")})


def _stages(path: pd.DataFrame, measure: str, leave_out: tuple[int, int], why_none: str) -> list[dict[str, Any]]:
    """Return one row per stage of one recording's main path, or one that says why there is none."""
    if not len(path):
        return [_fit(np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool)) | {"stage": -1, "status": why_none}]
    path = path.iloc[np.argsort(path["layer_depth"].to_numpy(), kind="stable")]
    stage, norms, depths = (path[name].to_numpy() for name in ("stage", measure, "layer_depth"))
    # A gradient that arrived holding NaN is a non-finite norm; one that did not arrive is no norm.
    arrived = (path["status"] == MEASURED).to_numpy() & (path["n_nonfinite"] != 0).to_numpy()
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = norms[0] / norms[-1]
        ends = {"ratio": ratio, "decades": np.log10(ratio)}
    rows = []
    for number in np.unique(stage):
        places = np.flatnonzero(stage == number)
        kept = places[leave_out[0] : max(len(places) - leave_out[1], 0)]
        rows.append(_fit(norms[kept], depths[kept], arrived[kept]) | ends | {"stage": number})
    return rows


def _fit(norms: Floats, depths: Floats, arrived: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, Any]:
    """Return factor, interval and what was fitted of one stage's layers, sorted by depth."""
    is_nonfinite = np.isinf(norms) | (np.isnan(norms) & arrived)
    is_fit = np.isfinite(norms) & (norms > 0)
    depths = depths[is_fit].astype(np.float64)
    slope, half = _slope(depths, np.log(norms[is_fit]))
    return {
        "first_depth": int(depths.min()) if len(depths) else -1,
        "last_depth": int(depths.max()) if len(depths) else -1,
        "n_layers": len(depths),
        "factor": _exp(-slope),
        "low": _exp(-slope - half),
        "high": _exp(-slope + half),
        "ratio": math.nan,
        "decades": math.nan,
        "n_zero": int((norms == 0).sum()),
        "n_nonfinite": int(is_nonfinite.sum()),
        "status": NO_FIT if len(depths) < 2 else TWO_LAYERS if len(depths) == 2 else MEASURED,
    }


def _slope(x: Floats, y: Floats) -> tuple[float, float]:
    """Return the least-squares slope and half of its interval; NaN below two and three points."""
    if len(x) < 2:
        return math.nan, math.nan
    centred = x - x.mean()
    square = float(centred @ centred)
    slope = float(centred @ y) / square
    if len(x) == 2:
        return slope, math.nan
    residual = y - y.mean() - slope * centred
    error = math.sqrt(float(residual @ residual) / (len(x) - 2) / square)
    return slope, student(len(x) - 2) * error


def _exp(logarithm: float) -> float:
    """Return e to the logarithm, inf where no float holds it."""
    return math.inf if logarithm > 709 else math.exp(logarithm)
