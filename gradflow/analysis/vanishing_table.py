"""Measured decay at initialisation beside its closed form, setting by setting."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gradflow import theory
from gradflow.analysis.decay import decay_at, decay_over_seeds
from gradflow.analysis.intervals import Interval, mean_interval
from gradflow.analysis.profile import rows_read, weighted_layers
from gradflow.analysis.runs import as_list, identities, over_seeds
from gradflow.errors import GradflowError
from gradflow.recording import Recording

ACTIVATION_GRADIENT = "out_grad_norm"
WEIGHT_GRADIENT = "grad_norm"
# Hidden layers that stay out of the fit. First: layer 1 sees data and not a wide layer's output, layer 2 a
# variance still away from its fixed point. Last: the gradient there comes from the few units of the classifier.
TRANSIENT = (2, 1)
REQUIRED = ("setting", "activation", "init", "depth")  # of meta
HIDDEN_STAGE = 0  # the first stage: all hidden layers are of one width, the classifier is not
FLAT_FACTOR = 1.05  # within 1/1.05 ... 1.05 per layer: less than a factor of e over 20 layers

VANISHES, EXPLODES, FLAT, POWER_LAW, UNDECIDED = "vanishes", "explodes", "flat", "power law", "undecided"


def vanishing_table(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return each setting's factor per layer, measured and predicted, of `gradflow.experiments.vanishing`'s recordings.

    Returns
    -------
    DataFrame
        One row per setting, in the demo's order: setting, label, n (seeds); factor, low, high of the
        activation gradients; predicted, difference (factor / predicted - 1); decades, decades_low,
        decades_high of the first over the last weighted layer's norm; the same of the weight gradients as
        weight_factor, weight_low, weight_high, weight_decades, weight_decades_low, weight_decades_high;
        verdict.

        Factors are |g_(l-1)| / |g_l| in the hidden layers except `TRANSIENT`, geometric means over seeds with
        Student's 95 % interval (NaN for one seed). Where the closed form is a power law, `predicted` is its
        regression over the same layers; where there is none, NaN.

    Raises
    ------
    ValueError
        A recording's meta lacks setting, activation, init or depth, or depths differ.

    Notes
    -----
    The verdict uses measured intervals alone. "flat": the factor's lies within 1/1.05 ... 1.05. "vanishes"
    and "explodes": it lies below or above that. "power law": it does, but ln(norm) is nearer to a line in
    ln(depth) than in depth: the interval, over seeds, of the logarithm of the residual sums' ratio is
    positive. "undecided": anything else, one seed included.
    """
    return _table(_read(recordings))


def vanishing_profile(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return gradient norms of `gradflow.experiments.vanishing` over the last hidden layer's, measured and predicted.

    Returns
    -------
    DataFrame
        One row per (setting, measure, layer_depth), hidden layers only: setting, label, measure
        (out_grad_norm or grad_norm), layer_depth; mean, low, high, n: geometric mean over seeds of |g_l| /
        |g_last| with Student's 95 % interval; n_zero, n_nonfinite; predicted: the closed form, of
        out_grad_norm alone.

    Raises
    ------
    ValueError
        A recording's meta lacks setting, activation, init or depth, or depths differ.
    """
    return _profile(_read(recordings))


def table_and_profile(recordings: Recording | Iterable[Recording]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return `vanishing_table` and `vanishing_profile`, for which layers are read once: it takes most of the time."""
    found = _read(recordings)
    return _table(found), _profile(found)


def verdict(factor: Interval, evidence: Interval) -> str:
    """Return what a factor's interval says; `evidence` is that for a power law, as in `vanishing_table`.

    Examples
    --------
    >>> verdict(Interval(0.41, 0.40, 0.42, 10), Interval(-2.0, -3.0, -1.0, 10))
    'vanishes'
    """
    if math.isnan(factor.low):
        return UNDECIDED
    if factor.low >= 1 / FLAT_FACTOR and factor.high <= FLAT_FACTOR:
        return FLAT
    if factor.high >= 1 / FLAT_FACTOR and factor.low <= FLAT_FACTOR:
        return UNDECIDED
    if evidence.low > 0:
        return POWER_LAW
    return VANISHES if factor.high < 1 else EXPLODES


class _Demonstration(NamedTuple):
    """Recordings, also by setting, and norms at step 0: of the main path's weighted layers, and of the hidden ones."""

    recordings: list[Recording]
    groups: Mapping[str, list[Recording]]
    path: pd.DataFrame
    hidden: pd.DataFrame


def _read(recordings: Recording | Iterable[Recording]) -> _Demonstration:
    found = as_list(recordings)
    groups = _by_setting(found)
    path = weighted_layers(found, [rows_read(recording.layers, [0]) for recording in found])
    return _Demonstration(found, groups, path, _hidden(found, path))


def _table(found: _Demonstration) -> pd.DataFrame:
    of_outputs, of_weights = _factors(found.recordings, found.path)
    hidden = found.hidden
    rows = [
        _row(group[0].meta, of_outputs[name], of_weights[name], _evidence(hidden[hidden["setting"] == name]))
        for name, group in found.groups.items()
    ]
    return pd.DataFrame(rows)


def _profile(found: _Demonstration) -> pd.DataFrame:
    tables = [
        _relative(group[0].meta, found.hidden[found.hidden["setting"] == setting], measure)
        for setting, group in found.groups.items()
        for measure in (ACTIVATION_GRADIENT, WEIGHT_GRADIENT)
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _by_setting(recordings: list[Recording]) -> dict[str, list[Recording]]:
    groups: dict[str, list[Recording]] = {}
    for recording in recordings:
        missing = [key for key in REQUIRED if recording.meta.get(key) is None]
        if missing:
            named = ", ".join(REQUIRED)
            raise GradflowError(f"recordings must name their {named} in meta; {recording.name!r} lacks {missing[0]}.")
        groups.setdefault(str(recording.meta["setting"]), []).append(recording)
    depths = sorted({int(recording.meta["depth"]) for recording in recordings})
    if len(depths) > 1:
        raise GradflowError(f"recordings must share one depth; got {', '.join(map(str, depths))}.")
    # Read from a folder they come in alphabetical order: the demo's own order is in meta.
    return dict(sorted(groups.items(), key=lambda item: item[1][0].meta.get("place") or 0))


def _row(
    meta: Mapping[str, Any], of_outputs: Mapping[str, Any], of_weights: Mapping[str, Any], evidence: Interval
) -> dict[str, Any]:
    predicted = _predicted_factor(meta)
    factor = Interval(of_outputs["factor"], of_outputs["low"], of_outputs["high"], int(of_outputs["n"]))
    return {
        "setting": meta["setting"],
        "label": _label(meta),
        "n": factor.n,
        "factor": factor.mean,
        "low": factor.low,
        "high": factor.high,
        "predicted": predicted,
        "difference": factor.mean / predicted - 1,
        **{name: of_outputs[name] for name in ("decades", "decades_low", "decades_high")},
        **{f"weight_{name}": of_weights[name] for name in ("factor", "low", "high")},
        **{f"weight_{name}": of_weights[name] for name in ("decades", "decades_low", "decades_high")},
        "verdict": verdict(factor, evidence),
    }


def _factors(recordings: list[Recording], path: pd.DataFrame) -> list[dict[str, Mapping[str, Any]]]:
    """Return, for activation and weight gradients, the row of `decay_over_seeds` of the hidden layers by setting."""
    measures = [ACTIVATION_GRADIENT, WEIGHT_GRADIENT]
    frame = decay_at(recordings, [[0]] * len(recordings), measures, TRANSIENT, path)
    hidden = frame[frame["stage"] == HIDDEN_STAGE]
    return [_by_setting_over_seeds(hidden[hidden["measure"] == one].drop(columns="measure")) for one in measures]


def _by_setting_over_seeds(frame: pd.DataFrame) -> dict[str, Mapping[str, Any]]:
    rows = decay_over_seeds(frame).set_index("setting").to_dict("index")
    return {str(setting): {str(name): value for name, value in row.items()} for setting, row in rows.items()}


def _predicted_factor(meta: Mapping[str, Any]) -> float:
    """Return the closed form's factor; of a power law the regression over the layers that are fitted."""
    profile = _predicted(meta)
    depths = np.arange(1, len(profile) + 1, dtype=np.float64)
    fitted = slice(TRANSIENT[0], len(profile) - TRANSIENT[1])
    return float(np.exp(-np.polyfit(depths[fitted], np.log(profile[fitted]), 1)[0]))


def _predicted(meta: Mapping[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return theory.profile(
        int(meta["depth"]),
        activation=meta["activation"],
        init=meta["init"],
        norm=meta.get("norm"),
        skip=bool(meta.get("skip")),
    )


def _evidence(hidden: pd.DataFrame) -> Interval:
    """Return ln(RSS in depth / RSS in ln(depth)) over seeds: positive where a power law fits better."""
    ratios = []
    for _, layers in hidden.groupby("run", sort=False):
        fitted = layers.iloc[TRANSIENT[0] : -TRANSIENT[1]]
        norms = fitted[ACTIVATION_GRADIENT].to_numpy()
        if not (np.isfinite(norms) & (norms > 0)).all():
            continue
        depth = fitted["layer_depth"].to_numpy(dtype=np.float64)
        exponential, power = (_residual(x, np.log(norms)) for x in (depth, np.log(depth)))
        ratios.append(math.log(exponential / power) if min(exponential, power) > 0 else math.nan)
    return mean_interval(ratios)


def _residual(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> float:
    """Return the sum of squares that a straight line leaves."""
    return float(((y - np.polyval(np.polyfit(x, y, 1), x)) ** 2).sum())


def _hidden(recordings: list[Recording], path: pd.DataFrame) -> pd.DataFrame:
    """Return the hidden layers' norms on the main path: one row per (setting, run, layer), in order of depth."""
    settings = [str(recording.meta["setting"]) for recording in recordings]
    path = path.assign(setting=path["run"].map(dict(zip(identities(recordings)["run"], settings, strict=True))))
    columns = ["setting", "run", "layer_depth", ACTIVATION_GRADIENT, WEIGHT_GRADIENT]
    return path.loc[path["stage"] == HIDDEN_STAGE, columns].sort_values(["run", "layer_depth"], kind="stable")


def _relative(meta: Mapping[str, Any], hidden: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return one setting's profile of one measure."""
    # Positions, not GroupBy.last: that one passes over NaN to the layer before.
    last = hidden.drop_duplicates("run", keep="last").set_index("run")[measure]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        relative = hidden[measure] / hidden["run"].map(last)
    table = over_seeds(hidden.assign(relative=relative), ["layer_depth"], "relative", geometric=True)
    predicted = _predicted(meta) if measure == ACTIVATION_GRADIENT else math.nan
    table = table.assign(predicted=predicted)
    for column, value in (("measure", measure), ("label", _label(meta)), ("setting", meta["setting"])):
        table.insert(0, column, value)
    return table


def _label(meta: Mapping[str, Any]) -> str:
    return str(meta.get("label") or meta["setting"])
