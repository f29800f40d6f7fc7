"""Verdicts on a trial: rules, and the track record that a study of really trained networks gave them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import pandas as pd
from scipy import special

from gradflow.analysis.intervals import CONFIDENCE

Verdict = Literal["doomed", "will train", "open"]
DOOMED: Verdict = "doomed"
WILL_TRAIN: Verdict = "will train"
OPEN: Verdict = "open"
VERDICTS = (DOOMED, WILL_TRAIN, OPEN)


class Rule(NamedTuple):
    """A limit on one sign after so many updates; "below" is met by a smaller value, "above" by a larger one."""

    sign: str
    updates: int
    side: Literal["below", "above"]
    limit: float

    def is_met(self, value: float) -> bool:
        """Whether a value is on the rule's side of the limit; NaN is on neither."""
        return value < self.limit if self.side == "below" else value > self.limit


class Reason(NamedTuple):
    """A rule and the number that was measured for it."""

    rule: Rule
    value: float

    @property
    def is_met(self) -> bool:
        """Whether the rule's limit is met."""
        return self.rule.is_met(self.value)


class Share(NamedTuple):
    """How many of n had a property, and the 95 % Wilson interval of the share."""

    hits: int
    n: int
    low: float
    high: float


def decide(signs: pd.DataFrame, rules: dict[str, list[dict[str, Any]]]) -> tuple[Verdict, list[Reason]]:
    """Return the verdict and the reasons for it.

    Doomed, if one rule of "doomed" is met; will train, if none is and all of "will train" are; otherwise open.

    Parameters
    ----------
    signs : DataFrame
        As of `gradflow.probe.signs.signs`.
    rules : dict
        The fields of the rules by verdict, as in `gradflow.reference.forecast_study()["rules"]`.

    Returns
    -------
    tuple of str, list of Reason
        For doomed the rules that are met, for will train all of its rules, for open those of its rules that are not.

    Examples
    --------
    >>> rules = {
    ...     "doomed": [{"sign": "unlikeness", "updates": 0, "side": "below", "limit": 1e-5}],
    ...     "will train": [{"sign": "relative_error", "updates": 10, "side": "below", "limit": 0.5}],
    ... }
    >>> decide(pd.DataFrame({"unlikeness": [0.3, 0.4], "relative_error": [1.0, 0.2]}, index=[0, 10]), rules)[0]
    'will train'
    """
    doomed = [reason for reason in _reasons(signs, rules[DOOMED]) if reason.is_met]
    if doomed:
        return DOOMED, doomed
    hopeful = _reasons(signs, rules[WILL_TRAIN])
    missing = [reason for reason in hopeful if not reason.is_met]
    return (OPEN, missing) if missing or not hopeful else (WILL_TRAIN, hopeful)


def wilson(hits: int, n: int) -> Share:
    """Return a share with its 95 % interval (Wilson 1927); for n = 0 the bounds are NaN.

    Examples
    --------
    >>> wilson(85, 89)
    Share(hits=85, n=89, low=0.8900695404028713, high=0.982385513932674)
    """
    if n == 0:
        return Share(hits, n, math.nan, math.nan)
    z = float(special.ndtri((1 + CONFIDENCE) / 2))
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Share(hits, n, centre - half, centre + half)


def _reasons(signs: pd.DataFrame, rules: Iterable[dict[str, Any]]) -> list[Reason]:
    return [Reason(rule, _value(signs, rule)) for rule in (Rule(**fields) for fields in rules)]


def _value(signs: pd.DataFrame, rule: Rule) -> float:
    return float(signs[rule.sign].get(rule.updates, math.nan))
