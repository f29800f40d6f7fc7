"""Why a network with batch norm stalls: from the gradient before training to the one after it, link by link."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from gradflow.analysis.degradation import degradation
from gradflow.analysis.intervals import ANYWHERE, SHARE
from gradflow.analysis.profile import first_to_last, profile
from gradflow.analysis.remembered import remembered
from gradflow.analysis.runs import NETWORK, as_list, check_seeds, identities, over_seeds
from gradflow.analysis.weights import weight_growth, weights
from gradflow.recording import Recording

GEOMETRIC = ("predicted_growth", "first_growth", "growth", "effective_lr_start", "effective_lr_end")
ARITHMETIC = ("start_decades", "end_decades", "end_decades_scaled", "train_error")
LINKS = (*ARITHMETIC[:1], *GEOMETRIC, *ARITHMETIC[1:])  # in the order of the chain


def stall(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return the links from an exploding gradient to a stalled network, measured in each run.

    Parameters
    ----------
    recordings : Recording or iterable of Recording
        Made with `weights=True`.

    Returns
    -------
    DataFrame
        One row per run: run, family, depth, seed, batch_norm (whether it has any), last_step; and the links:

        start_decades
            log10 of the activation gradient's norm at the first weighted layer over the last one's, at step 0.
        predicted_growth
            By how much the first update lengthens the first layer's weights, from the gradient before it.
        first_growth
            By how much it did: NaN unless step 1 was recorded.
        growth
            The same at the last recorded step, over step 0.
        effective_lr_start, effective_lr_end
            The run's highest learning rate over the first layer's squared weight norm, at step 0 and at the last
            recorded step: one rate for both, so that they differ by the weights and not by the schedule.
        end_decades, end_decades_scaled
            As start_decades, at the last recorded step: of the activation gradient, and of |g| |w|, which a
            weight's scale does not enter.
        train_error
            Fraction, after training.

        NaN where a step, a norm or an error was not recorded, or an end of the network has no gradient.

    Notes
    -----
    A weight w that batch norm follows has a gradient g orthogonal to it, and so a first step of SGD, with momentum
    or without, takes |w| to sqrt(|w|^2 + lr^2 |g|^2) (Arora et al. 2019, arXiv 1812.03981). Predicted
    for runs whose meta names a momentum; weight decay is left out, which changes |w| by less than a thousandth.

    The chain is a sequence of measurements, not a proof of cause. When a warm-up of 100 steps cut the growth of
    plain-56 from 165 and 196 to 22 and 26, its training error went from 44 and 41 % to 51 and 42 % (seeds 0 and
    1, digits, 300 steps): shorter weights alone do not train it.
    """
    found = as_list(recordings)
    ends = [_ends(recording) for recording in found]
    table = identities(found).assign(
        batch_norm=[has_batch_norm(one) for one in found],
        last_step=[int(one.layers["step"].max()) if len(one.layers) else -1 for one in found],
    )
    norms = profile(ends, steps="recorded")
    grown = weight_growth(weights(ends)).set_index(["run", "step"])["first_growth"]
    outputs, scaled = (_decades(norms, measure) for measure in ("out_grad_norm", "grad_times_weight"))
    runs = list(table["run"])
    last = [(run, step if step > 0 else -1) for run, step in zip(runs, table["last_step"], strict=True)]
    growth = [float(grown.get(place, np.nan)) for place in last]
    start = _at_start(runs, ends, norms)
    return table.assign(
        start_decades=[outputs.get((run, 0), np.nan) for run in runs],
        predicted_growth=start["predicted_growth"].to_numpy(),
        first_growth=[float(grown.get((run, 1), np.nan)) for run in runs],
        growth=growth,
        effective_lr_start=start["effective_lr"].to_numpy(),
        effective_lr_end=start["effective_lr"].to_numpy() / np.square(growth),
        end_decades=[outputs.get(place, np.nan) for place in last],
        end_decades_scaled=[scaled.get(place, np.nan) for place in last],
        train_error=degradation(found)["train_error"].to_numpy(),
    )


@remembered
def has_batch_norm(recording: Recording) -> bool:
    """Whether a batch norm was recorded: it makes the scale of the weights before it irrelevant."""
    return any("BatchNorm" in kind for kind in recording.layers["kind"].unique())


def stall_over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the links of each network of `stall`, over its seeds.

    Returns
    -------
    DataFrame
        One row per (family, depth): n (seeds whose growth was measured), last_step (the latest), and each link with
        its bounds, start_decades, start_decades_low, start_decades_high and so on: Student's 95 % interval,
        NaN for one seed. Growths and learning rates are geometric means; decades and errors arithmetic ones, of
        finite values.

    Raises
    ------
    ValueError
        Two runs share family, depth and seed.
    """
    check_seeds(frame)
    finite = frame.assign(**{link: frame[link].where(np.isfinite(frame[link])) for link in ARITHMETIC})
    limits = {"train_error": SHARE}
    found = {
        link: over_seeds(finite, NETWORK, link, geometric=link in GEOMETRIC, within=limits.get(link, ANYWHERE))
        for link in LINKS
    }
    table = found["growth"][[*NETWORK, "n"]]
    latest = frame.groupby(list(NETWORK), dropna=False, sort=True)["last_step"].max()
    table = table.assign(last_step=latest.to_numpy())
    bounds: dict[str, Any] = {}
    for link, one in found.items():
        bounds |= {link: one["mean"], f"{link}_low": one["low"], f"{link}_high": one["high"]}
    return table.assign(**bounds)


def _ends(recording: Recording) -> Recording:
    """Return step 0, step 1 and the last recorded step of a recording."""
    layers = recording.layers
    chosen = layers["step"].isin([0, 1, layers["step"].max()])
    return Recording.of_checked({"layers": layers[chosen], "steps": recording.steps}, recording.meta)


def _decades(norms: pd.DataFrame, measure: str) -> dict[tuple[str, int], float]:
    """Return log10 of the first layer's norm over the last one's, by run and step."""
    if norms.empty:
        return {}
    ratios = first_to_last(norms, measure)
    with np.errstate(divide="ignore"):
        values = np.log10(ratios["ratio"].to_numpy(dtype=np.float64))
    return dict(zip(zip(ratios["run"], ratios["step"], strict=True), values.tolist(), strict=True))


def _at_start(runs: list[str], recordings: list[Recording], norms: pd.DataFrame) -> pd.DataFrame:
    """Return the first weighted layer's effective learning rate and predicted growth at step 0, one row per run."""
    first = norms[norms["step"] == 0].drop_duplicates("run").set_index("run")[["weight_norm", "grad_norm"]]
    first = first.where(first["weight_norm"] > 0).reindex(runs)
    highest = np.array([recording.steps["lr"].max() for recording in recordings], dtype=np.float64)
    rate = np.array([_first_rate(recording) for recording in recordings])
    norm = first["weight_norm"].to_numpy()
    # hypot neither overflows nor loses the 1 beside a small step.
    predicted = np.hypot(1.0, rate * first["grad_norm"].to_numpy() / norm)
    return pd.DataFrame({"effective_lr": highest / norm / norm, "predicted_growth": predicted})


def _first_rate(recording: Recording) -> float:
    """Return the learning rate of the first update where plain SGD's growth holds, else NaN."""
    rates = recording.steps.loc[recording.steps["step"] == 0, "lr"]
    return float(rates.iloc[0]) if len(rates) and recording.meta.get("momentum") is not None else np.nan
