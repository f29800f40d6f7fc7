"""Limits of the rules, from the networks of the split "choose" alone."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gradflow.probe.forecast_verdict import WILL_FAIL, WILL_TRAIN

from .outcomes import UPDATES, signs_of, verdicts

# Conditions of failure. A limit lies below the value of every network that trained, by the margin: decades have one in
# decades, the others, which span decades, a factor.
#   gradient_decades: hardly any gradient reaches the first layers.
#   unlikeness: the last layer is given the same vector for every sample.
# Both mend themselves where an optimizer rescales its updates (under Adam 7 of 41 trained), so they count where some
# layer is slow as well, and "unlikeness" alone where it is down to rounding.
MARGINS = {"gradient_decades": 0.25, "unlikeness": 2.0}
SLOW = 3e-4  # |update| / |weights|: 300 of them in one direction move a layer by a tenth of its norm
# Tried and left out, on networks that no count rests on:
# - the span of all layers' gradients separates the study's networks best, but it is 2 to 5 decades in the usual
#   transformers, whose query and key projections have small gradients, and 3 in resnet50;
# - a slow layer alone: none below 3e-5 trained within the budgets, but real budgets are longer;
# - a gradient that grows towards the input: networks with it train, if the loss stays finite;
# - the largest |update| / |weights| of the first step: 3 in resnet50, 6 in mnasnet0_5; weights that a batch norm
#   follows survive it;
# - how little the gradient changes when labels are shuffled: finds nothing that unlikeness does not.
LARGEST_ERROR = 0.5  # of chance, for will train
RIGHT = 0.975  # of the networks chosen on that will train is said of: failures of the learning rate spare no limit

Condition = dict[str, Any]


def choose(frame: pd.DataFrame) -> dict[str, list[list[Condition]]]:
    """Return the rules of both verdicts: each a list of conditions that must all be met."""
    signs = signs_of(frame)
    slow = signs.update_ratio_min < SLOW
    is_slow = _condition("update_ratio_min", SLOW)
    failing = [[_condition("diverged", 0.5, side="above", updates=0)]]
    failing += [[_condition(sign, _limit(signs[sign][~frame.failed & slow], sign)), is_slow] for sign in MARGINS]
    failing.append([_condition("unlikeness", _limit(signs.unlikeness[~frame.failed], "unlikeness"))])
    # Without the second condition a network counts as learning whose weights were thrown far away.
    lower = _condition("relative_loss", 1.0)
    left = frame[verdicts(frame, {WILL_FAIL: failing, WILL_TRAIN: [[lower]]}) == WILL_TRAIN]
    return {WILL_FAIL: failing, WILL_TRAIN: [[_condition("relative_error", _error_limit(left)), lower]]}


def _condition(sign: str, limit: float, side: str = "below", updates: int = UPDATES) -> Condition:
    return {"sign": sign, "updates": updates, "side": side, "limit": limit}


def _limit(trained: pd.Series, sign: str) -> float:
    smallest = float(trained.min())
    if sign.endswith("decades"):
        return round(smallest - MARGINS[sign], 2)
    return float(f"{smallest / MARGINS[sign]:.2g}")


def _error_limit(frame: pd.DataFrame) -> float:
    """Return the largest relative error up to which enough of these networks trained."""
    errors = signs_of(frame).relative_error.sort_values()
    right = (~frame.failed[errors.index]).expanding().mean()
    return round(min(LARGEST_ERROR, float(errors[right >= RIGHT].max())), 3)
