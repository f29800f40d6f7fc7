"""Deeper networks that fit the training set worse than a shallower one, or than a residual one as deep."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pandas as pd

from gradflow.analysis.degradation import degradation
from gradflow.analysis.intervals import Interval, mean_interval
from gradflow.analysis.variants import agree
from gradflow.diagnosis.finding import Finding, Severity
from gradflow.diagnosis.seed_groups import RESIDUAL, Case, Subject
from gradflow.diagnosis.wording import Value

FIGURE = "degradation"
# Below one percentage point a difference in training error is a handful of images (14 of the digits' 1437),
# and two seeds can agree on it by chance.
MIN_DIFFERENCE = 0.01
PLAIN = "plain"
REMEDIES = ("remedy.skip", "remedy.shallower", "remedy.budget")


def find(cases: list[Case]) -> list[Finding]:
    """Return what depth does to each family's training error, and residual connections at each depth."""
    nets = [case for case in cases if case.subject.depth is not None and case.subject.family]
    if not nets:
        return []
    errors = degradation([recording for case in nets for recording in case.recordings])
    return [*_against_shallower(nets, errors), *_against_residual(nets, errors)]


def _against_shallower(nets: list[Case], errors: pd.DataFrame) -> Iterator[Finding]:
    """Compare each net with the shallowest of its family: the one that any deeper net could imitate."""
    for case in nets:
        shallow = min((net.subject for net in nets if net.subject.family == case.subject.family), key=_depth)
        if shallow.depth == case.subject.depth:
            continue
        deep_errors, shallow_errors = _errors(errors, case.subject), _errors(errors, shallow)
        values: dict[str, Value] = {
            "train_error": _share(deep_errors),
            "shallow_error": _share(shallow_errors),
            "shallow": shallow.label,
        }
        yield from _judged("degraded", "not_degraded", case, _paired(deep_errors, shallow_errors), values)


def _against_residual(nets: list[Case], errors: pd.DataFrame) -> Iterator[Finding]:
    """Compare each plain net with the residual nets of the same depth and settings."""
    residual = [case.subject for case in nets if case.subject.base_family == RESIDUAL]
    plain = [case for case in nets if case.subject.base_family == PLAIN]
    for case, partner in itertools.product(plain, residual):
        if case.subject.depth != partner.depth or not agree(case.subject.settings, partner.settings):
            continue
        plain_errors, residual_errors = _errors(errors, case.subject), _errors(errors, partner)
        values: dict[str, Value] = {
            "train_error": _share(plain_errors),
            "residual_error": _share(residual_errors),
            "residual": partner.label,
        }
        yield from _judged("skip_helps", "", case, _paired(plain_errors, residual_errors), values)


def _judged(
    worse: str, else_key: str, case: Case, differences: pd.Series[float], values: dict[str, Value]
) -> Iterator[Finding]:
    """Yield what paired differences allow: "worse" if their interval excludes 0, "not worse" if it excludes a point.

    One seed has no interval: it gives a notice, or its difference alone. Several that would each give a notice give one
    together, however far apart they are.
    """
    difference = mean_interval(differences).within(-1.0, 1.0)
    if difference.n == 0:
        return
    values = {**values, "difference": difference, "threshold_points": MIN_DIFFERENCE}
    is_certain = difference.low > 0
    if (difference.mean >= MIN_DIFFERENCE and is_certain) or (differences >= MIN_DIFFERENCE).all():
        severity: Severity = "problem" if is_certain and worse != "skip_helps" else "notice"
        cause = "cause.skip" if worse == "skip_helps" else ""
        remedies = () if worse == "skip_helps" else REMEDIES
        if difference.n > 1 and not is_certain:
            values["notes"] = "every_seed"
        yield Finding(worse, severity, case.subject, values, FIGURE, cause, remedies)
    elif else_key:
        is_equal = (difference.mean if difference.n == 1 else difference.high) < MIN_DIFFERENCE
        key, severity = (else_key, "healthy") if is_equal else ("degradation_unclear", "notice")
        yield Finding(key, severity, case.subject, values, FIGURE)


def _errors(errors: pd.DataFrame, subject: Subject) -> pd.Series[float]:
    """Return the training errors of one family and depth, by seed."""
    rows = errors[(errors["family"] == subject.family) & (errors["depth"] == subject.depth)]
    return rows.set_index("seed")["train_error"].dropna()


def _paired(first: pd.Series[float], second: pd.Series[float]) -> pd.Series[float]:
    """Return the differences over the seeds that both have."""
    if first.index.has_duplicates or second.index.has_duplicates:
        return first.iloc[:0]
    return (first - second).dropna()


def _share(errors: pd.Series[float]) -> Interval:
    return mean_interval(errors).within(0.0, 1.0)


def _depth(subject: Subject) -> int:
    return subject.depth or 0
