"""Whether deeper networks train worse: errors after training, by depth and family."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from gradflow.analysis.intervals import SHARE
from gradflow.analysis.runs import NETWORK, as_list, check_seeds, constant_error, over_seeds, stacked
from gradflow.analysis.variants import agree, base_family, told_apart_by
from gradflow.recording import Recording

ERRORS = ("train_error", "test_error")


def degradation(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return the errors of each run after training.

    Returns
    -------
    DataFrame
        One row per run: run, family, depth, seed, train_error, test_error (fractions, the last ones
        measured), step (updates made when train_error, or else test_error, was measured), last_step (updates
        made when the recording ends), diverged (bool: the run says so, or a loss was infinite), constant_error (the
        training error of always answering the most frequent class, where the run's meta has it), base_family and
        settings (the family's name without what tells its variants apart, and that: "plain" and "lr 0.1").

    Examples
    --------
    >>> steps = pd.DataFrame({"step": [0, 10], "train_error": [0.9, 0.2]})
    >>> degradation(Recording(steps=steps, meta={"run": "mine"}))[["run", "train_error", "step"]]
        run  train_error  step
    0  mine          0.2    10
    """
    found = as_list(recordings)
    return stacked(found, [pd.DataFrame([after_training(recording)]) for recording in found])


def degradation_over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return mean errors of `degradation` with their intervals over seeds.

    Returns
    -------
    DataFrame
        One row per (family, depth): n (runs with a measured training error), train_error, train_error_low,
        train_error_high, n_test, test_error, test_error_low, test_error_high, n_diverged. Student's 95 %
        interval over seeds, cut at 0 and 1, NaN for one seed. A run that diverged counts with the last error that was
        measured.

    Raises
    ------
    ValueError
        Two runs share family, depth and seed.
    """
    check_seeds(frame)
    train = over_seeds(frame, NETWORK, "train_error", within=SHARE)
    test = over_seeds(frame, NETWORK, "test_error", within=SHARE)
    diverged = over_seeds(frame.assign(diverged=frame.diverged.astype("float64")), NETWORK, "diverged")
    count = (diverged["mean"] * diverged["n"]).round().astype("int64")
    names = {"mean": "{}", "low": "{}_low", "high": "{}_high"}
    train = train.rename(columns={old: new.format("train_error") for old, new in names.items()})
    test = test.rename(columns={old: new.format("test_error") for old, new in names.items()} | {"n": "n_test"})
    joined = pd.concat([train, test.drop(columns=list(NETWORK)), count.rename("n_diverged")], axis=1)
    bounds = [f"{error}{bound}" for error in ERRORS for bound in ("", "_low", "_high")]
    return joined[[*NETWORK, "n", *bounds[:3], "n_test", *bounds[3:], "n_diverged"]]


def paired_difference(
    frame: pd.DataFrame, *, measure: str = "train_error", minuend: str = "plain", subtrahend: str = "residual"
) -> pd.DataFrame:
    """Return the error of one family minus that of the other at each depth, paired by seed.

    Parameters
    ----------
    frame : DataFrame
        From `degradation`.
    measure : "train_error" or "test_error"
        Fractions.
    minuend, subtrahend : str
        Families; of each, all variants, paired where they agree in every setting that both have.

    Returns
    -------
    DataFrame
        One row per variant and depth at which both families have a seed in common: depth, n (pairs), mean, low,
        high, all in fractions, and settings (what tells the variant apart, "" if there is one alone). Student's
        95 % interval over the pairs, cut at -1 and 1, NaN for one pair. No rows if there is no pair.

    Raises
    ------
    ValueError
        The measure is unknown, or two runs share family, depth and seed.
    """
    if measure not in ERRORS:
        raise ValueError(f"measure must be one of {', '.join(ERRORS)}; got {measure!r}.")
    check_seeds(frame)
    known = frame.dropna(subset=["depth", "seed"])
    if "settings" not in known.columns:
        known = known.assign(base_family=known["family"], settings="")
    columns = ["depth", "seed", "settings", measure]
    sides = [known.loc[known["base_family"] == family, columns] for family in (minuend, subtrahend)]
    pairs = sides[0].merge(sides[1], on=["depth", "seed"], suffixes=("", "_of_other"))
    both = zip(pairs["settings"], pairs["settings_of_other"], strict=True)
    pairs = pairs[np.array([agree(one, other) for one, other in both], dtype=bool)]
    longer = pairs["settings"].where(
        pairs["settings"].str.len() >= pairs["settings_of_other"].str.len(), pairs["settings_of_other"]
    )
    pairs = pairs.assign(settings=longer, difference=pairs[measure] - pairs[f"{measure}_of_other"])
    pairs = pairs.dropna(subset="difference")
    found = over_seeds(pairs, ("settings", "depth"), "difference", within=(-1.0, 1.0))
    return found[["depth", "n", "mean", "low", "high", "settings"]]


def is_diverged(recording: Recording) -> bool:
    """Whether a run says that it diverged, or recorded an infinite loss.

    A NaN loss alone is no proof: it also stands for a step whose loss was not passed in.
    """
    return recording.meta.get("status") == "diverged" or bool(np.isinf(recording.steps.loss).any())


def after_training(recording: Recording) -> dict[str, Any]:
    """Return the row of `degradation` of one run, but who it is."""
    steps = recording.steps  # in order
    row: dict[str, Any] = dict.fromkeys(ERRORS, math.nan)
    step: int | None = None
    for error in reversed(ERRORS):
        measured = np.flatnonzero(steps[error].notna())
        if len(measured):
            row[error] = float(steps[error].iloc[measured[-1]])
            step = int(steps["step"].iloc[measured[-1]])
    last = int(steps.step.iloc[-1]) if len(steps) else None
    counts = {"step": pd.array([step], dtype="Int64")[0], "last_step": pd.array([last], dtype="Int64")[0]}
    told = {"base_family": base_family(recording), "settings": told_apart_by(recording)}
    return {**row, **counts, "diverged": is_diverged(recording), "constant_error": constant_error(recording), **told}
