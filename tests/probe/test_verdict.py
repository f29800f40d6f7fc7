import math

import pandas as pd
import pytest
from scipy.stats import binomtest

from gradflow.analysis.intervals import wilson
from gradflow.probe.forecast_verdict import Condition, decide


@pytest.mark.parametrize(
    ("signs_", "verdict", "n_reasons"),
    [
        ({"a": [9.0, 9.0], "b": [0.0, 0.1]}, "will train", 1),
        ({"a": [9.0, 0.9], "b": [0.0, 0.1]}, "will fail", 1),
        ({"a": [0.9, 9.0], "b": [0.0, 0.1]}, "will train", 1),  # the wrong moment
        ({"a": [9.0, 9.0], "b": [0.0, 0.6]}, "open", 1),
        ({"a": [9.0, math.nan], "b": [0.0, math.nan]}, "open", 1),  # NaN is on no side
        ({"a": [9.0, -math.inf], "b": [0.0, 0.1]}, "will fail", 1),
    ],
)
def test_decide(signs_, verdict, n_reasons):
    rules = {
        "will fail": [[{"sign": "a", "updates": 10, "side": "below", "limit": 1.0}]],
        "will train": [[{"sign": "b", "updates": 10, "side": "below", "limit": 0.5}]],
    }
    found, reasons = decide(pd.DataFrame(signs_, index=[0, 10]), rules)
    assert found == verdict
    assert len(reasons) == n_reasons


def both(limit_alone):
    """One rule of two conditions, and one with a limit of its own on the first sign."""
    a = {"sign": "a", "updates": 0, "side": "below", "limit": 1.0}
    b = {"sign": "b", "updates": 0, "side": "below", "limit": 1.0}
    return {"will fail": [[a, b], [{**a, "limit": limit_alone}]], "will train": []}


@pytest.mark.parametrize(
    ("a", "b", "verdict", "limits"),
    [
        (0.5, 0.5, "will fail", {"a": 1.0, "b": 1.0}),
        (0.5, 2.0, "open", {}),  # only one of the two
        (0.05, 2.0, "will fail", {"a": 0.1}),
        (0.05, 0.5, "will fail", {"a": 0.1, "b": 1.0}),  # both rules: the stricter limit is told
    ],
)
def test_all_conditions_of_a_rule_must_be_met(a, b, verdict, limits):
    found, reasons = decide(pd.DataFrame({"a": [a], "b": [b]}, index=[0]), both(0.1))
    assert found == verdict
    assert {reason.condition.sign: reason.condition.limit for reason in reasons} == limits


def test_above_is_the_other_side():
    condition = Condition("a", 0, "above", 1.0)
    assert [condition.is_met(value) for value in (0.9, 1.0, 1.1, math.nan, math.inf)] == [
        False,
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(("hits", "n"), [(85, 89), (0, 5), (5, 5), (1, 1), (300, 1000)])
def test_wilson_equals_scipy(hits, n):
    interval = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    found = wilson(hits, n)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_no_network_has_no_interval():
    assert math.isnan(wilson(0, 0).low)
