"""Lines with autocorrelated residuals: against dense matrices and scipy's densities, and by simulation."""

import math
import tracemalloc

import numpy as np
import pytest
from scipy import linalg, optimize, stats

from gradflow.analysis.trend import AUTOCORRELATIONS, groups, line


def walks(profiles, layers, seed=0):
    return np.random.default_rng(seed).standard_normal((profiles, layers)).cumsum(axis=1)


def covariance(n, rho):
    return rho ** np.abs(np.subtract.outer(np.arange(n), np.arange(n))) / (1 - rho**2)


def dense(columns, values):
    """Return half the interval and AICc by full covariance matrices, contrasts and a root finder."""
    n, k = columns.shape
    contrasts = linalg.null_space(columns.T)
    row = np.linalg.pinv(columns)[-1]
    likelihood, error, best = [], [], -math.inf
    for rho in AUTOCORRELATIONS:
        sigma = covariance(n, rho)
        seen = contrasts.T @ sigma @ contrasts
        square = contrasts.T @ values @ np.linalg.solve(seen, contrasts.T @ values)
        likelihood.append(-np.linalg.slogdet(seen)[1] / 2 - (n - k) / 2 * math.log(square))
        error.append(math.sqrt(square / (n - k) * (row @ sigma @ row)))
        inverse = np.linalg.inv(sigma)
        fitted = columns @ np.linalg.solve(columns.T @ inverse @ columns, columns.T @ inverse @ values)
        variance = (values - fitted) @ inverse @ (values - fitted) / n
        best = max(best, stats.multivariate_normal.logpdf(values, fitted, variance * sigma))
    weight = np.exp(np.array(likelihood) - max(likelihood))
    weight /= weight.sum()
    half = optimize.brentq(lambda h: weight @ stats.t.cdf(h / np.array(error), n - k) - 0.975, 0, 1e6, xtol=1e-12)
    parameters = k + 2
    return half, -2 * best + 2 * parameters * n / (n - parameters - 1)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "roles"), [(12, 1), (17, 2), (30, 3), (200, 2)])
def test_interval_and_aicc_are_those_of_dense_matrices(n, roles):
    group = np.arange(n) % roles
    depth = np.arange(1.0, n + 1)
    values = walks(3, n) - 0.3 * depth
    found = line(depth, values, group)
    columns = np.column_stack([*(group == role for role in range(roles)), depth]).astype(float)
    for index, profile in enumerate(values):
        half, aicc = dense(columns, profile)
        assert found.slope[index] == pytest.approx(np.linalg.lstsq(columns, profile, rcond=None)[0][-1])
        assert found.half[index] == pytest.approx(half, rel=1e-9)
        assert found.aicc[index] == pytest.approx(aicc, rel=1e-9)


def test_a_line_through_many_layers_holds_no_pair_of_them():
    n = 20_000  # n x n numbers would take 3.2 GB
    tracemalloc.start()
    found = line(np.arange(float(n)), walks(1, n), np.zeros(n, dtype=int))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert math.isfinite(found.half[0])
    assert peak < 8 * 500 * n


@pytest.mark.parametrize("layers", [6, 17, 36])
def test_intervals_hold_the_slope_of_random_walks_and_of_independent_noise(layers):
    depth, group = np.arange(float(layers)), np.zeros(layers, dtype=int)
    independent = np.random.default_rng(1).standard_normal((600, layers))
    found = line(depth, walks(600, layers), group)
    assert (abs(found.slope) < found.half).mean() > 0.87
    found = line(depth, independent, group)
    assert (abs(found.slope) < found.half).mean() > 0.93


def test_too_few_layers_have_no_interval_and_no_aicc():
    group = np.zeros(9, dtype=int)
    values = walks(1, 9)
    assert math.isnan(line(np.arange(2.0), values[:, :2], group[:2]).half[0])
    assert line(np.arange(2.0), values[:, :2], group[:2]).slope[0] == pytest.approx(values[0, 1] - values[0, 0])
    assert math.isnan(line(np.arange(8.0), values[:, :8], group[:8]).aicc[0])
    assert math.isfinite(line(np.arange(9.0), values, group).aicc[0])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["conv1", "0.conv1", "0.conv2", "1.conv1", "1.conv2", "2.conv1", "2.conv2"], [0, 0, 1, 0, 1, 0, 1]),
        (["stem", "0.a", "0.b", "1.a", "1.b", "2.a", "2.b"], [2, 0, 1, 0, 1, 0, 1]),
        (["0", "3", "6", "9"], [0, 0, 0, 0]),
        (["0.a", "1.a", "2.a"], [0, 0, 0]),
        (["0.a", "0.b", "0.c", "1.a"], [0, 0, 0, 0]),
        ([f"{block}.{place}" for block in range(3) for place in range(65)], [0] * 195),
        ([], []),
    ],
)
def test_roles_of_three_layers_or_more_are_groups(names, expected):
    assert groups(names).tolist() == expected


@pytest.mark.parametrize("start", [1.0, 1e9, 1e15])
def test_a_line_is_the_same_wherever_it_begins(start):
    values, group = walks(2, 12), np.zeros(12, dtype=int)
    found, near = line(start + np.arange(12.0), values, group), line(np.arange(12.0), values, group)
    for name in ("slope", "half", "aicc"):
        assert getattr(found, name) == pytest.approx(getattr(near, name), rel=1e-9)


def test_layers_in_one_place_have_no_line():
    found = line(np.full(9, 1e15), walks(2, 9), np.zeros(9, dtype=int))
    assert all(np.isnan(one).all() for one in (found.slope, found.half, found.aicc))


@pytest.mark.parametrize("unit", [1e-100, 1e-9, 1e9])
def test_a_line_has_the_unit_of_its_values(unit):
    x, values, group = np.arange(12.0), walks(2, 12), np.zeros(12, dtype=int)
    found, scaled = line(x, values, group), line(x, unit * values, group)
    assert scaled.slope / unit == pytest.approx(found.slope)
    assert scaled.half / unit == pytest.approx(found.half)
    assert scaled.aicc - 24 * math.log(unit) == pytest.approx(found.aicc)


def test_the_prior_is_even_in_arctanh_and_reaches_a_random_walk():
    """The autocorrelations are part of the definition of the interval: `dense` takes them over."""
    assert np.arctanh(AUTOCORRELATIONS) == pytest.approx(np.linspace(-2, 4, 25))
