import math

import pandas as pd
import pytest
from scipy.stats import binomtest

from gradflow.probe.verdict import Rule, decide, wilson


@pytest.mark.parametrize(
    ("signs_", "verdict", "n_reasons"),
    [
        ({"a": [9.0, 9.0], "b": [0.0, 0.1]}, "will train", 1),
        ({"a": [9.0, 0.9], "b": [0.0, 0.1]}, "doomed", 1),
        ({"a": [0.9, 9.0], "b": [0.0, 0.1]}, "will train", 1),  # the wrong moment
        ({"a": [9.0, 9.0], "b": [0.0, 0.6]}, "open", 1),
        ({"a": [9.0, math.nan], "b": [0.0, math.nan]}, "open", 1),  # NaN is on no side
        ({"a": [9.0, -math.inf], "b": [0.0, 0.1]}, "doomed", 1),
    ],
)
def test_decide(signs_, verdict, n_reasons):
    rules = {
        "doomed": [{"sign": "a", "updates": 10, "side": "below", "limit": 1.0}],
        "will train": [{"sign": "b", "updates": 10, "side": "below", "limit": 0.5}],
    }
    found, reasons = decide(pd.DataFrame(signs_, index=[0, 10]), rules)
    assert found == verdict
    assert len(reasons) == n_reasons


def test_above_is_the_other_side():
    rule = Rule("a", 0, "above", 1.0)
    assert [rule.is_met(value) for value in (0.9, 1.0, 1.1, math.nan, math.inf)] == [False, False, True, False, True]


@pytest.mark.parametrize(("hits", "n"), [(85, 89), (0, 5), (5, 5), (1, 1), (300, 1000)])
def test_wilson_equals_scipy(hits, n):
    interval = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    found = wilson(hits, n)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_no_network_has_no_interval():
    assert math.isnan(wilson(0, 0).low)
