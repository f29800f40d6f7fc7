import math

import numpy as np
import pytest
from scipy import stats

from gradflow.analysis.intervals import mean_interval, mean_intervals, student


def test_many_groups_at_once_are_each_group_alone():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 200)
    values = np.where(rng.random(200) < 0.2, np.nan, rng.normal(size=200))
    found = mean_intervals(values, groups, 41)
    for group in range(41):
        alone = mean_interval(values[groups == group])
        np.testing.assert_allclose([column[group] for column in found], alone, rtol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 10, 200])
def test_bounds_are_those_of_students_t(n):
    values = np.random.default_rng(n).normal(size=n)
    low, high = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
    assert mean_interval(values)[1:3] == pytest.approx((low, high), rel=1e-12)


def test_without_a_degree_of_freedom_there_is_no_interval():
    assert math.isnan(student(0))
    assert math.isnan(mean_interval([1.0]).low)
    _, low, _, n = mean_intervals(np.array([1.0]), np.array([0]), 2)
    assert np.isnan(low).all()
    assert n.tolist() == [1, 0]
