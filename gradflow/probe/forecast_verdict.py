"""Verdicts on a trial: rules, and the track record that a study of really trained networks gave them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import pandas as pd

Verdict = Literal["will fail", "will train", "open"]
WILL_FAIL: Verdict = "will fail"
WILL_TRAIN: Verdict = "will train"
OPEN: Verdict = "open"
Rules = dict[str, list[list[dict[str, Any]]]]  # by verdict: rules, each a list of the conditions that must all be met
VERDICTS = (WILL_FAIL, WILL_TRAIN, OPEN)


class Condition(NamedTuple):
    """A limit on one sign after so many updates; "below" is met by a smaller value, "above" by a larger one."""

    sign: str
    updates: int
    side: Literal["below", "above"]
    limit: float

    def is_met(self, value: float) -> bool:
        """Whether a value is on this side of the limit; NaN is on neither."""
        return value < self.limit if self.side == "below" else value > self.limit


class Reason(NamedTuple):
    """A condition and the number that was measured for it."""

    condition: Condition
    value: float

    @property
    def is_met(self) -> bool:
        """Whether the condition is met."""
        return self.condition.is_met(self.value)


def decide(signs: pd.DataFrame, rules: Rules) -> tuple[Verdict, list[Reason]]:
    """Return the verdict of a trial's `indicators`, and the conditions of the rules that are met as its reasons.

    Will fail, if one rule of "will fail" is met; will train, if none is but one of "will train"; otherwise open: then
    the reasons are those conditions of "will train" that are not met. A rule is met if all its conditions are. `rules`
    are by verdict, as in `gradflow.reference.forecast_study()["rules"]`.

    Examples
    --------
    >>> rules = {
    ...     "will fail": [[{"sign": "unlikeness", "updates": 0, "side": "below", "limit": 1e-5}]],
    ...     "will train": [[{"sign": "relative_error", "updates": 10, "side": "below", "limit": 0.5}]],
    ... }
    >>> decide(pd.DataFrame({"unlikeness": [0.3, 0.4], "relative_error": [1.0, 0.2]}, index=[0, 10]), rules)[0]
    'will train'
    """
    for verdict in (WILL_FAIL, WILL_TRAIN):
        met = [rule for rule in _measured(signs, rules[verdict]) if all(reason.is_met for reason in rule)]
        if met:
            return verdict, _once(met)
    return OPEN, [reason for reason in _once(_measured(signs, rules[WILL_TRAIN])) if not reason.is_met]


def _measured(signs: pd.DataFrame, rules: list[list[dict[str, Any]]]) -> list[list[Reason]]:
    """Return the rules with the values that their conditions are about."""
    return [[_reason(signs, Condition(**fields)) for fields in rule] for rule in rules]


def _reason(signs: pd.DataFrame, condition: Condition) -> Reason:
    return Reason(condition, float(signs[condition.sign].get(condition.updates, math.nan)))


def _once(rules: Iterable[list[Reason]]) -> list[Reason]:
    """Return the reasons of several rules, each sign once: of two limits on one side the stricter one."""
    kept: dict[tuple[str, int, str], Reason] = {}
    for reason in (reason for rule in rules for reason in rule):
        condition = reason.condition
        key = (condition.sign, condition.updates, condition.side)
        other = kept.setdefault(key, reason).condition.limit
        if (condition.limit < other) == (condition.side == "below") and condition.limit != other:
            kept[key] = reason
    return list(kept.values())
