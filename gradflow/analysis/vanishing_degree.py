"""Degree of vanishing: how the gradient's norm changes over depth, by which law, and when in training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from gradflow.analysis.decay import decay_at
from gradflow.analysis.profile import MEASURES, MOMENTS
from gradflow.analysis.runs import as_list, identities, over_seeds
from gradflow.recording import Recording

START, END = "0", "end"
GRADIENTS = ("out_grad_norm", "grad_norm", "grad_times_weight")
# The first layer of a stage takes maps of another size or width, the first of a network the data.
LEAVE_OUT = (1, 0)
FARTHEST = 2.0  # a step stands for another up to this factor; none stands for step 0
# Differences of AICc below 2 leave both models their support (Burnham & Anderson 2002, section 2.6).
DECISIVE = 2.0
EXPONENTIAL, POWER_LAW, UNDECIDED = "exponential", "power law", "undecided"
NO_TREND, TOO_FEW = "no trend", "too few layers"
_GROUP = ("setting", "family", "depth", "measure", "moment", "stage")


def moments(recording: Recording, asked: Iterable[int] = MOMENTS) -> dict[str, int]:
    """Return which recorded step stands for each moment: those asked for, and "end", the last recorded one.

    The nearest recorded step is taken, up to a factor of two away, and stands for one moment alone; step 0 is
    before training and nothing else is. Moments without a step are absent, and so is the end of a recording
    that has no other step than 0.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": [0, 1, 12, 90, 300], "layer": "a"})
    >>> moments(Recording(layers=layers))
    {'0': 0, '1': 1, '10': 12, '100': 90, 'end': 300}
    """
    recorded = sorted(int(step) for step in recording.layers["step"].unique())
    if not recorded:
        return {}
    last = {END: recorded[-1]} if recorded[-1] > 0 else {}
    free = [step for step in recorded if step not in last.values()]
    found = {}
    for step in sorted(set(asked)):
        near = [one for one in free if one == step or (step and step / FARTHEST <= one <= step * FARTHEST)]
        if near:
            nearest = min(near, key=lambda one: abs(one - step))
            free.remove(nearest)
            found[str(step)] = nearest
    return found | last


def degree(
    recordings: Recording | Iterable[Recording],
    *,
    measures: Sequence[str] = GRADIENTS,
    asked: Iterable[int] = MOMENTS,
    leave_out: tuple[int, int] = LEAVE_OUT,
) -> pd.DataFrame:
    """Return `decay` of several gradients at several moments of training, and the law that fits.

    Parameters
    ----------
    measures : sequence of str
        By default the gradients of the activations (out_grad_norm), of the weights (grad_norm), and |g| |w|
        (grad_times_weight), in which a weight's scale under batch norm cancels.
    asked : iterable of int
        Updates after which to look, besides the end. The nearest recorded steps are taken: see `moments`.
    leave_out : two ints
        As in `decay`: by default the first layer of each stage stays out.

    Returns
    -------
    DataFrame
        One row per (run, moment, measure, stage): the columns of `decay` (step is the one that was recorded), measure,
        moment ("0", "1", "10", "100" or "end"), and law: "exponential" or "power law",
        whichever has the lower AICc; "no trend" where that one's interval, of factor or exponent, holds no change;
        "undecided" where |delta_aicc| < 2; "too few layers" where there is no AICc.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": 0, "layer": [f"layer{i}" for i in range(12)], "stage": 0, "weighted": True,
    ...                        "order": range(12), "layer_depth": range(1, 13)})
    >>> layers["out_grad_norm"] = [0.8**(12 - i) * 1.01**(i % 3) for i in range(12)]
    >>> degree(Recording(layers=layers), measures=["out_grad_norm"])[["moment", "factor", "law"]].round(2)
      moment  factor          law
    0      0     0.8  exponential
    """
    found = as_list(recordings)
    unknown = [measure for measure in measures if measure not in MEASURES]
    if unknown:
        raise ValueError(f"measures must be of {', '.join(MEASURES)}; got {unknown[0]!r}.")
    wanted = list(asked)
    steps = [moments(recording, wanted) for recording in found]
    table = decay_at(found, [list(step.values()) for step in steps], list(measures), leave_out)
    moment = {
        (run, step): name
        for run, own in zip(identities(found)["run"], steps, strict=True)
        for name, step in own.items()
    }
    table["moment"] = pd.Series([moment[place] for place in zip(table["run"], table["step"], strict=True)], dtype="str")
    return table.assign(law=_laws(table, table["delta_aicc"].abs()))


def degree_over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the degree of vanishing of each network of `degree`, over its seeds.

    Returns
    -------
    DataFrame
        One row per (setting, family, depth, measure, moment, stage): steps (the recorded ones, "280, 300" where
        seeds differ); factor, low, high, n; exponent, exponent_low, exponent_high; delta_aicc, delta_low, delta_high;
        law; n_layers; decades, decades_low, decades_high, decades_n. Intervals are Student's 95 % over seeds, of
        factors over their logarithms; decades of an end that is exactly zero do not count. The law is named as in
        `degree`, by the means and intervals over seeds, and is "undecided" also where the interval of delta_aicc
        holds 0. One seed has no interval: its law stands on delta_aicc alone.
    """
    factor = over_seeds(frame, _GROUP, "factor", geometric=True)
    delta = over_seeds(frame, _GROUP, "delta_aicc")
    exponent = over_seeds(frame, _GROUP, "exponent")
    finite = frame.assign(decades=frame["decades"].where(np.isfinite(frame["decades"])))
    decades = over_seeds(finite, _GROUP, "decades")
    grouped = frame.groupby(list(_GROUP), dropna=False, sort=True)
    table = factor[list(_GROUP)].assign(
        steps=grouped["step"].agg(lambda steps: ", ".join(map(str, sorted(set(steps))))).to_numpy(),
        factor=factor["mean"],
        **{name: factor[name] for name in ("low", "high", "n")},
        exponent=exponent["mean"],
        **{f"exponent_{name}": exponent[name] for name in ("low", "high")},
        delta_aicc=delta["mean"],
        delta_low=delta["low"],
        delta_high=delta["high"],
        n_layers=grouped["n_layers"].min().to_numpy(),
        decades=decades["mean"],
        **{f"decades_{name}": decades[name] for name in ("low", "high", "n")},
    )
    is_open = (delta["low"] <= 0) & (delta["high"] >= 0)
    return table.assign(law=_laws(table, delta["mean"].abs().mask(is_open, 0.0)))


def longest(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `degree_over_seeds` of each network's longest stage, the first of equals."""
    network = ["setting", "family", "depth", "measure"]
    size = frame.groupby([*network, "stage"], dropna=False, sort=False)["n_layers"].max().reset_index()
    ordered = size.sort_values(["n_layers", "stage"], ascending=[False, True], kind="stable")
    kept = ordered.drop_duplicates(network)[[*network, "stage"]]
    # <NA> depths match each other in a merge.
    return frame.merge(kept, on=[*network, "stage"]).reset_index(drop=True)


def _laws(frame: pd.DataFrame, evidence: pd.Series[float]) -> pd.Series[str]:
    """Return the law of each row; `evidence` is the size of delta_aicc, 0 where seeds disagree."""
    is_power = frame["delta_aicc"] > 0
    is_level = (frame["low"] <= 1) & (frame["high"] >= 1)
    is_level = is_level.mask(is_power, (frame["exponent_low"] <= 0) & (frame["exponent_high"] >= 0))
    law = np.select(
        [frame["delta_aicc"].isna(), is_level, evidence < DECISIVE, is_power],
        [TOO_FEW, NO_TREND, UNDECIDED, POWER_LAW],
        EXPONENTIAL,
    )
    return pd.Series(law, index=frame.index, dtype="str")
