"""Figures as data, each with its source: published ones to compare with, and what studies of this project measured."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def figures(name: str) -> dict[str, Any]:
    """Return one of the files beside this module: he2015, veit2016, balduzzi2017, tutorial, or a study of our own.

    Examples
    --------
    >>> figures("veit2016")["effective_paths"]["longest"]
    17
    """
    found: dict[str, Any] = json.loads(files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    return found


def he2015() -> dict[str, Any]:
    """Return the figures of He et al., Deep Residual Learning for Image Recognition (arXiv 1512.03385).

    Errors are in percent, as printed in the paper; parameter counts are exact.

    Examples
    --------
    >>> he2015()["cifar10"]["test_error_percent_table6"]["110"]
    6.43
    """
    return figures("he2015")


def forecast_study() -> dict[str, Any]:
    """Return the rules of `gradflow.probe.forecast` and how often its verdicts came true, as measured.

    Keys: `command`, `date`, `n` networks, `budgets` and `failure` in words; `rules` by verdict; `measured` by split of
    the study, with `n` and how many `failed`, of all and of each verdict; `targets` and the verdicts that miss theirs,
    `experimental`. Limits were chosen on the split "choose".

    Examples
    --------
    >>> sorted(forecast_study()["rules"])
    ['will fail', 'will train']
    """
    return figures("forecast")


def diagnosis_study() -> dict[str, Any]:
    """Return how often findings named the fault that was planted: `benchmarks/diagnosis`, held-out programs.

    Keys: `command`, `date`, `n` programs; `first`, by finding: [right, of], in how many of the programs in which it was
    the first problem it named the fault.

    Examples
    --------
    >>> right, of = diagnosis_study()["first"]["inputs_unscaled"]
    >>> 0 <= right <= of
    True
    """
    return figures("diagnosis_zoo")


def remedy_studies() -> tuple[dict[str, Any], ...]:
    """Return which remedies repaired which faults, from four studies in `benchmarks/`.

    They are `remedies.py`, `remedies_over_time.py`, `diagnosis` and `doctor_remedies.py`.

    Keys of each study: `command`, `date`, `data` and `device`; `repaired`, its definition in words; `applied`, what
    each remedy changed; `faults` by name, each with the keys of its `findings`, the number of `plants`, in how many of
    them diagnose `found` it, and `remedies`: how many of the plants that a remedy was tried on it repaired,
    [repaired, tried]. In the doctor's study `remedies` hold its own changes, too ("change.<finding>"), and `exempt`
    says which of them cannot be trained.

    Examples
    --------
    >>> stacks, sequences, programs, before_training = remedy_studies()
    >>> stacks["faults"]["left_out"]["remedies"]["remedy.clip"][0]
    0
    """
    return tuple(map(figures, ("remedies", "remedies_over_time", "remedies_zoo", "remedies_doctor")))
