"""Figures as data, each with its source: published ones to compare with, and what studies of this project measured."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def he2015() -> dict[str, Any]:
    """Return the figures of He et al., Deep Residual Learning for Image Recognition (arXiv 1512.03385).

    Errors are in percent, as printed in the paper; parameter counts are exact.

    Examples
    --------
    >>> he2015()["cifar10"]["test_error_percent_table6"]["110"]
    6.43
    """
    figures: dict[str, Any] = json.loads(files(__name__).joinpath("he2015.json").read_text(encoding="utf-8"))
    return figures


@cache
def forecast_study() -> dict[str, Any]:
    """Return the rules of `gradflow.probe.forecast` and how often its verdicts came true, as measured.

    Keys: `command`, `date`, `n` networks, `budgets` and `failure` in words; `rules` by verdict; `measured` by split of
    the study, with `n` and how many `failed`, of all and of each verdict; `targets` and the verdicts that miss theirs,
    `experimental`. Limits were chosen on the split "choose".

    Examples
    --------
    >>> sorted(forecast_study()["rules"])
    ['doomed', 'will train']
    """
    study: dict[str, Any] = json.loads(files(__name__).joinpath("forecast.json").read_text(encoding="utf-8"))
    return study


@cache
def remedy_study() -> dict[str, Any]:
    """Return which remedies repaired which planted faults: `benchmarks/remedies.py`, as measured.

    Keys: `command`, `date`, `data` and `device`; `repaired`, its definition in words; `applied`, what each remedy
    changed; `faults` by name, each with the keys of its `findings`, the number of `plants`, in how many of them
    diagnose `found` it, and `remedies`: how many of the plants that a remedy was tried on it repaired, [repaired,
    tried].

    Examples
    --------
    >>> remedy_study()["faults"]["left_out"]["remedies"]["remedy.clip"][0]
    0
    """
    file = files(__name__).joinpath("remedies.json")
    study: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"faults": {}}
    return study


def remedies(fault: str) -> tuple[str, ...]:
    """Return the remedies that repaired a fault in the study, the largest share first.

    Parameters
    ----------
    fault : str
        A fault of the study, such as "vanishing/sigmoid", or the key of a finding, which stands for all faults that
        are found under it. One that the study does not hold has no remedies.

    Examples
    --------
    >>> remedies("never_changed")
    ('remedy.check_optimizer', 'remedy.check_step')
    """
    counts: dict[str, tuple[int, int]] = {}
    for name, measured in remedy_study()["faults"].items():
        if fault == name or fault in measured["findings"]:
            for remedy, (repaired, tried) in measured["remedies"].items():
                before = counts.get(remedy, (0, 0))
                counts[remedy] = before[0] + repaired, before[1] + tried
    helpful = [remedy for remedy, (repaired, _) in counts.items() if repaired]
    return tuple(sorted(helpful, key=lambda remedy: -counts[remedy][0] / counts[remedy][1]))
