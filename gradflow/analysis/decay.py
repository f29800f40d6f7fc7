"""By which factor the gradient's norm changes per layer, walking backward."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd

from gradflow.analysis.intervals import Floats, Ints
from gradflow.analysis.nonfinite import arrived_nonfinite
from gradflow.analysis.profile import MEASURES, rows_read, weighted_layers
from gradflow.analysis.runs import as_list, identities, over_seeds
from gradflow.analysis.trend import groups, line
from gradflow.recording import Recording

MEASURED = "measured"
TWO_LAYERS = "two layers: no interval"
NO_FIT = "fewer than two positive norms"
NO_LAYERS = "no weighted layer of known depth"
NO_STEP = "step not recorded"

_FITTED = ("factor", "low", "high", "exponent", "exponent_low", "exponent_high", "delta_aicc")
GROUP = ("setting", "family", "depth", "step", "stage")
_DTYPES = (
    {
        "run": "str",
        "setting": "str",
        "family": "str",
        "depth": "Int64",
        "seed": "Int64",
        "step": "int64",
        "measure": "str",
    }
    | dict.fromkeys(("stage", "first_depth", "last_depth", "n_layers"), "int64")
    | dict.fromkeys((*_FITTED, "ratio", "decades"), "float64")
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
        n_layers of the fit; factor, low, high; exponent, exponent_low, exponent_high, delta_aicc; ratio, decades;
        n_zero, n_nonfinite; status.

        `factor` is |g_(l-1)| / |g_l|: below 1 gradients vanish toward the input, above they explode. `low`
        and `high` are the regression's 95 % interval over layers, NaN below three. `exponent` and its bounds are
        those of a power law, layer_depth^exponent. `delta_aicc` is AICc of the exponential minus AICc of the
        power law: positive where the power law fits better, NaN for too few layers. `ratio` is the first
        weighted layer's norm over the last one's, of the whole network, and `decades` its log10; NaN where there
        is one layer. Zeros and non-finite norms have no logarithm and stay out of the fit: n_zero and n_nonfinite
        count them. Where nothing can be fitted factor is NaN and `status` tells why. Weighted layers
        of the main path count, as in `profile`.

    Raises
    ------
    ValueError
        `measure` is unknown, or `leave_out` is negative.

    Notes
    -----
    factor = exp(-slope), least squares. Layers of one role (conv1 and conv2 of each block) stand on a level of
    their own where each has three layers or more. Neighbouring layers are not independent: the interval is that
    of autocorrelated residuals, see `gradflow.analysis.trend.line`. It held the mean over 10 seeds in 91 % of
    160 regressions on networks at initialisation, where one of independent residuals did in 48 %. Where there are
    several seeds, `decay_over_seeds` gives the interval over them.

    Both laws have as many parameters, so that the correction for few layers cancels in delta_aicc, which is twice
    the difference of their log-likelihoods.

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
    return decay_at(found, [[step]] * len(found), [measure], leave_out).drop(columns="measure")


def decay_at(
    recordings: list[Recording],
    steps: Sequence[Sequence[int]],
    measures: Sequence[str],
    leave_out: tuple[int, int],
    weighted: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return `decay` of each recording at steps of its own, and of several measures: the column measure says which.

    `weighted` is what `weighted_layers` returns of these steps, where it is known.
    """
    if weighted is None:
        read = [rows_read(recording.layers, own) for recording, own in zip(recordings, steps, strict=True)]
        weighted = weighted_layers(recordings, read)
    paths = _paths(weighted, measures)
    rows: list[dict[str, Any]] = []
    stages: list[_Stage] = []
    who = identities(recordings).itertuples(index=False)
    for recording, own, identity in zip(recordings, steps, who, strict=True):
        setting = str(recording.meta.get("setting") or "")
        family = str(recording.meta.get("family") or setting or identity.run)
        network = {"run": identity.run, "setting": setting, "family": family}
        network |= {"depth": identity.depth, "seed": identity.seed}
        for step in own:
            path = paths.get((str(identity.run), step))
            for measure in measures:
                described, fitted = _no_stage(recording, own) if path is None else _stages(path, measure, leave_out)
                rows.extend(network | {"step": step, "measure": measure} | stage for stage in described)
                stages.extend(fitted)
    rows = [row | fit for row, fit in zip(rows, _fits(stages), strict=True)]
    return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)


def decay_over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the factor per layer of each network and stage of `decay`, over its seeds.

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


_Path = Mapping[str, np.ndarray[Any, Any]]


class _Stage(NamedTuple):
    """The layers of one stage that have a logarithm, in order of depth."""

    depths: Floats
    logs: Floats
    group: Ints


def _no_stage(recording: Recording, steps: Sequence[int]) -> tuple[list[dict[str, Any]], list[_Stage]]:
    """Return the row that says why there is nothing to fit."""
    why = NO_LAYERS if recording.layers["step"].isin(list(steps)).any() else NO_STEP
    missing = {"stage": -1, "first_depth": -1, "last_depth": -1, "n_layers": 0, "n_zero": 0, "n_nonfinite": 0}
    return [missing | {"status": why}], [_Stage(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64))]


def _paths(frame: pd.DataFrame, measures: Sequence[str]) -> dict[tuple[str, int], _Path]:
    """Return the columns of each run's main path at each step, in order of depth.

    As arrays: a frame of its own for each of the hundreds of paths takes longer than all fits.
    """
    columns = {name: frame[name].to_numpy() for name in ("layer", "layer_depth", "stage")}
    columns |= {name: frame[name].to_numpy() for name in measures}
    columns |= {f"{name} is broken": arrived_nonfinite(frame, name).to_numpy() for name in measures}
    found: dict[tuple[str, int], _Path] = {}
    for key, rows in frame.groupby(["run", "step"], sort=False).indices.items():
        run, step = cast("tuple[str, int]", key)
        ordered = rows[np.argsort(columns["layer_depth"][rows], kind="stable")]
        found[str(run), int(step)] = {name: column[ordered] for name, column in columns.items()}
    return found


def _stages(path: _Path, measure: str, leave_out: tuple[int, int]) -> tuple[list[dict[str, Any]], list[_Stage]]:
    """Return one row and one stage to fit per stage of a main path."""
    stage, norms, depths, names = (path[name] for name in ("stage", measure, "layer_depth", "layer"))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = norms[0] / norms[-1] if len(norms) > 1 else math.nan
        ends = {"ratio": ratio, "decades": np.log10(ratio)}
    rows, stages = [], []
    for number in np.unique(stage):
        places = np.flatnonzero(stage == number)
        kept = places[leave_out[0] : max(len(places) - leave_out[1], 0)]
        fitted = kept[np.isfinite(norms[kept]) & (norms[kept] > 0)]
        stages.append(_Stage(depths[fitted].astype(np.float64), np.log(norms[fitted]), groups(list(names[fitted]))))
        n_nonfinite = int(path[f"{measure} is broken"][kept].sum())
        counts = {"n_zero": int((norms[kept] == 0).sum()), "n_nonfinite": n_nonfinite}
        rows.append({"stage": number} | _described(depths[fitted]) | ends | counts)
    return rows, stages


def _described(depths: Ints) -> dict[str, Any]:
    """Return which layers are fitted, sorted by depth, and whether they are enough."""
    n = len(depths)
    return {
        "first_depth": int(depths[0]) if n else -1,
        "last_depth": int(depths[-1]) if n else -1,
        "n_layers": n,
        "status": NO_FIT if n < 2 else TWO_LAYERS if n == 2 else MEASURED,
    }


def _fits(stages: list[_Stage]) -> list[dict[str, float]]:
    """Return factor, interval and laws of each stage; those over the same layers are fitted together."""
    alike: dict[tuple[bytes, bytes], list[int]] = {}
    for place, stage in enumerate(stages):
        alike.setdefault((stage.depths.tobytes(), stage.group.tobytes()), []).append(place)
    found: list[dict[str, float]] = [{}] * len(stages)
    for places in alike.values():
        logs = np.stack([stages[place].logs for place in places])
        for place, fit in zip(places, _laws(stages[places[0]], logs), strict=True):
            found[place] = fit
    return found


def _laws(stage: _Stage, logs: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> list[dict[str, float]]:
    """Return what an exponential and a power law make of profiles over the same layers."""
    exponential, power = (line(x, logs, stage.group) for x in (stage.depths, np.log(stage.depths)))
    return [
        {
            "factor": _exp(-slope),
            "low": _exp(-slope - half),
            "high": _exp(-slope + half),
            "exponent": float(exponent),
            "exponent_low": float(exponent - width),
            "exponent_high": float(exponent + width),
            "delta_aicc": float(delta),
        }
        for slope, half, exponent, width, delta in zip(
            exponential.slope, exponential.half, power.slope, power.half, exponential.aicc - power.aicc, strict=True
        )
    ]


def _exp(logarithm: float) -> float:
    """Return e to the logarithm, inf where no float holds it."""
    return math.inf if logarithm > 709 else math.exp(logarithm)
