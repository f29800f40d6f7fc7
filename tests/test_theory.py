"""The closed forms against laws published as numbers, and against sums on a grid instead of quadrature."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradflow import theory

GRID = np.linspace(-12, 12, 20_000)  # an even number: no point on the kink of ReLU
DENSITY = np.exp(-(GRID**2) / 2) / math.sqrt(2 * math.pi)


def on_grid(values):
    return float(np.trapezoid(values * DENSITY, GRID))


def curve(activation, x):
    from scipy.special import erf

    return {
        "relu": np.maximum(x, 0),
        "tanh": np.tanh(x),
        "sigmoid": 1 / (1 + np.exp(-x)),
        "gelu": x * (1 + erf(x / math.sqrt(2))) / 2,
    }[activation]


def slope(activation, x):
    step = 1e-5
    return (curve(activation, x + step) - curve(activation, x - step)) / (2 * step)


@pytest.mark.parametrize(
    ("activation", "init", "norm", "expected"),
    [
        ("sigmoid", "default", None, 0.141),
        ("sigmoid", "xavier", None, 0.236),
        ("tanh", "default", None, 0.577),
        ("tanh", "critical", None, 1.0),
        ("relu", "default", None, 0.408),
        ("relu", "kaiming", None, 1.0),
        ("relu", "kaiming-0.8", None, 0.8),
        ("relu", "kaiming", "batch", 1.211),
        ("gelu", "kaiming", "batch", 1.148),
    ],
)
def test_factor_is_the_published_one(activation, init, norm, expected):
    began = time.process_time()
    factor = theory.factor_per_layer(activation=activation, init=init, norm=norm)
    assert time.process_time() - began < 0.05
    assert factor == pytest.approx(expected, abs=5e-4)


def test_exact_values():
    assert theory.chi("relu", 2.0) == 1.0
    assert theory.chi("relu", 1 / 3) == pytest.approx(1 / 6, rel=1e-12)
    assert theory.chi("tanh", 1 / 3) == pytest.approx(1 / 3, rel=1e-12)
    assert theory.chi_batch_norm("relu") == pytest.approx(math.pi / (math.pi - 1), rel=1e-9)
    assert theory.fixed_point("relu", 1.0, 0.5) == pytest.approx(1.0)
    assert theory.fixed_point("relu", 2.5) == math.inf
    assert theory.fixed_point("gelu", 5.0) == math.inf


@pytest.mark.parametrize(("variance", "q"), [(1 / 3, 0.085), (1.0, 0.265)])
def test_sigmoid_fixed_point_is_the_published_one(variance, q):
    assert theory.fixed_point("sigmoid", variance) == pytest.approx(q, abs=5e-4)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize(("weights", "biases"), [(0.5, 0.1), (1.5, 0.0), (4.0, 0.3)])
def test_fixed_point_and_chi_by_iteration_on_a_grid(activation, weights, biases):
    q = 1.0
    for _ in range(60):
        q = weights * on_grid(curve(activation, math.sqrt(q) * GRID) ** 2) + biases
    chi = weights * on_grid(slope(activation, math.sqrt(q) * GRID) ** 2)
    assert theory.fixed_point(activation, weights, biases) == pytest.approx(q, rel=1e-6)
    assert theory.chi(activation, weights, biases) == pytest.approx(chi, rel=1e-5)


@pytest.mark.parametrize("activation", theory.ACTIVATIONS)
def test_batch_norm_law_on_a_grid(activation):
    phi = curve(activation, GRID)
    expected = on_grid(slope(activation, GRID) ** 2) / (on_grid(phi**2) - on_grid(phi) ** 2)
    assert theory.chi_batch_norm(activation) == pytest.approx(expected, rel=1e-4)


@settings(deadline=None)
@given(st.floats(0.01, 1.9), st.floats(0.0, 2.0))
def test_relu_fixed_point_solves_its_equation(weights, biases):
    q = theory.fixed_point("relu", weights, biases)
    assert q == pytest.approx(weights * q / 2 + biases)


def test_toy_arithmetic():
    left = theory.toy()
    assert [f"{left[k]:.6f}" for k in (5, 10, 15, 20)] == ["0.327680", "0.107374", "0.035184", "0.011529"]
    assert left[0] == 1


def test_profile_of_a_constant_factor():
    profile = theory.profile(20, activation="relu", init="kaiming-0.8")
    np.testing.assert_allclose(profile, theory.toy(layers=18)[::-1])


def test_residual_profile_is_a_power_law():
    profile = theory.profile(4000, activation="relu", init="kaiming", norm="batch", skip=True)
    assert math.isnan(profile[0])
    steps = profile[1:-1] / profile[2:]
    assert steps[-1] == pytest.approx(1, abs=1e-3)
    assert (np.diff(steps) < 0).all()
    # (1 + a/l)(1 + 1/l) has the exponent (a + 1)/2 in norm, with a = pi/(pi - 1).
    exponent = -np.log(profile[3000] / profile[1000]) / np.log(3001 / 1001)
    assert exponent == pytest.approx((math.pi / (math.pi - 1) + 1) / 2, rel=2e-3)


def test_no_constant_factor_is_nan():
    assert math.isnan(theory.factor_per_layer(activation="relu", init="kaiming", norm="batch", skip=True))
    assert math.isnan(theory.factor_per_layer(activation="tanh", init="critical", skip=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.chi("swish", 1.0), r"activation must be one of relu, tanh, sigmoid, gelu; got 'swish'"),
        (lambda: theory.weight_variance("he", "relu"), r"init must be one of .*; got 'he'"),
        (lambda: theory.weight_variance("critical", "gelu"), r"'critical' is for activation tanh or relu; got 'gelu'"),
        (lambda: theory.factor_per_layer(activation="relu", init="xavier", norm="layer"), r"norm must be .*'layer'"),
        (lambda: theory.chi("relu", -1.0), r"weight_variance must be at least 0 and finite; got -1.0"),
        (lambda: theory.fixed_point("tanh", 1.0, math.nan), r"bias_variance must be at least 0 and finite; got nan"),
        (lambda: theory.toy(0.0), r"factor must be positive and finite; got 0.0"),
        (lambda: theory.toy(0.8, -1), r"layers must be at least 0; got -1"),
        (lambda: theory.profile(1, activation="relu", init="xavier"), r"depth must be at least 2 .*; got 1"),
    ],
)
def test_errors_name_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()
