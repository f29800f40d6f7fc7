"""The closed forms against laws published as numbers, and against sums on a grid instead of quadrature."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_activations import value_and_slope

from gradflow import theory

GRID = np.linspace(-12, 12, 20_000)  # an even number: no point on the kink of ReLU
DENSITY = np.exp(-(GRID**2) / 2) / math.sqrt(2 * math.pi)


def on_grid(values):
    return float(np.trapezoid(values * DENSITY, GRID))


def curve(activation, x):
    return value_and_slope(activation, x)[0]


def slope(activation, x):
    return value_and_slope(activation, x)[1]


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
    factor = theory.factor_per_layer(activation=activation, init=init, norm=norm)
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


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "elu", "selu"])
@pytest.mark.parametrize(("weights", "biases"), [(0.5, 0.1), (1.3, 0.02), (1.2, 0.3)])
def test_fixed_point_and_chi_by_iteration_on_a_grid(activation, weights, biases):
    q = 1.0
    for _ in range(300):
        q = weights * on_grid(curve(activation, math.sqrt(q) * GRID) ** 2) + biases
    chi = weights * on_grid(slope(activation, math.sqrt(q) * GRID) ** 2)
    assert theory.fixed_point(activation, weights, biases) == pytest.approx(q, rel=1e-6)
    assert theory.chi(activation, weights, biases) == pytest.approx(chi, rel=1e-5)


@pytest.mark.parametrize("activation", theory.ACTIVATIONS)
def test_batch_norm_law_on_a_grid(activation):
    phi = curve(activation, GRID)
    expected = on_grid(slope(activation, GRID) ** 2) / (on_grid(phi**2) - on_grid(phi) ** 2)
    assert theory.chi_batch_norm(activation) == pytest.approx(expected, rel=1e-6)
    if activation != "identity":
        expected = on_grid(slope(activation, GRID) ** 2) / on_grid(phi**2)
    assert theory.chi_layer_norm(activation) == pytest.approx(expected, rel=1e-6)


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


SETTINGS = [
    (activation, init, norm, skip)
    for activation in theory.ACTIVATIONS
    for init in theory.INITS
    for norm in theory.NORMS
    for skip in (False, True)
    if (activation, init) != ("softplus", "critical")
]


def test_all_settings_agree_with_themselves():
    """Profile, what is left and depth are three readings of one law."""
    for activation, init, norm, skip in SETTINGS:
        names = {"activation": activation, "init": init, "norm": norm, "skip": skip}
        law = theory.law(**names)
        left, deep = law.left(50), law.depth_beyond(1e-3 if law.trend == "vanishes" else 1e3)
        profile = law.profile(60)
        first = 1 if norm and skip else 0
        assert profile[first] / profile[first + 50] == pytest.approx(left, rel=1e-6), names
        assert {"vanishes": left < 1, "explodes": left > 1, "flat": abs(left - 1) < 1e-9}[law.trend], names
        if deep <= 50:
            reached = [law.left(layers) for layers in (int(deep) - 1, int(deep))]
            assert abs(math.log10(reached[1])) > 3 >= abs(math.log10(reached[0])) - 1e-9, names


@pytest.mark.parametrize(
    ("activation", "init", "skip", "bound"),
    [
        ("tanh", "critical", False, 1e-2),
        ("elu", "critical", False, 1e-3),
        ("sigmoid", "kaiming", True, 30.0),
        ("tanh", "default", True, 1e5),
    ],
)
def test_strides_end_where_single_layers_do(activation, init, skip, bound):
    law = theory.law(activation=activation, init=init, skip=skip)
    found = law.depth_beyond(bound)
    assert 500 < found < 10_000
    for layers, is_beyond in ((int(0.97 * found), False), (int(1.03 * found), True)):
        profile = law.profile(layers + 2)
        assert (math.log(profile[0] / bound) * math.log(bound) > 0) == is_beyond


def test_depths_of_the_toy():
    assert theory.depth_below(0.5, activation="relu", init="kaiming-0.8") == 4  # 0.8^3 = 0.512
    assert theory.depth_below(2.0, activation="relu", init="kaiming-0.8") == math.inf
    assert theory.depth_below(1e-3, activation="relu", init="kaiming") == math.inf
    assert theory.depth_below(0.8, activation="relu", init="kaiming-0.8") == 2  # one layer meets it, and is not below
    assert theory.gradient_left(0, activation="relu", init="kaiming-0.8") == 1
    assert theory.gradient_left(20, activation="relu", init="kaiming-0.8") == pytest.approx(theory.toy()[-1])


def test_tanh_critical_falls_as_the_root_of_depth():
    """q falls as 1/(2 l), so that chi is 1 - 1/l and |delta|^2 falls as 1/l (Schoenholz et al. 2017, section 3)."""
    law = theory.law(activation="tanh", init="critical")
    exponent = math.log(law.left(800_000) / law.left(80_000)) / math.log(10)
    assert exponent == pytest.approx(-0.5, abs=2e-3)
    assert (law.shape, law.trend) == ("power law", "vanishes")


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_residual_profile_is_the_product(norm):
    """The law's steps multiplied up one by one, from grid sums alone."""
    phi, depth = curve("silu", GRID), 9
    mean, square, slopes = on_grid(phi), on_grid(phi**2), on_grid(slope("silu", GRID) ** 2)
    streams = [layer * (square - mean**2) if norm == "batch" else layer * square + layer * (layer - 1) * mean**2
               for layer in range(depth - 1)]  # fmt: skip
    expected = [1.0]
    for layer in range(depth - 1, 2, -1):
        here, before = streams[layer - 1], streams[layer - 2]
        expected.append(expected[-1] * math.sqrt(here / before * (1 + slopes / here)))
    found = theory.profile(depth, activation="silu", init="xavier", norm=norm, skip=True)
    assert math.isnan(found[0])
    np.testing.assert_allclose(found[1:], expected[::-1], rtol=1e-6)


def test_largest_and_smallest_are_no_error():
    assert theory.gradient_left(100_000, activation="relu", init="default") == 0
    assert theory.gradient_left(100_000, activation="relu", init="default", norm="batch") == math.inf
    assert theory.profile(3, activation="gelu", init="default", norm="layer", skip=True)[1] == 1
    assert theory.profile(2, activation="gelu", init="default", norm="layer", skip=True).tolist() == [1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.chi("swish", 1.0), r"activation must be one of relu, leaky-relu, .*; got 'swish'"),
        (lambda: theory.weight_variance("he", "relu"), r"init must be one of .*; got 'he'"),
        (lambda: theory.weight_variance("critical", "softplus"), r"softplus has no critical initialisation"),
        (lambda: theory.factor_per_layer(activation="relu", init="xavier", norm="group"), r"norm must be .*'group'"),
        (lambda: theory.check(activation="relu", norm="group"), r"norm must be None, 'batch' or 'layer'; got 'group'"),
        (lambda: theory.check(activation="gelu", init="critical"), r"'critical' is for .* elu, selu; got 'gelu'"),
        (lambda: theory.check(activation="mish"), r"activation must be one of relu, .*, softplus; got 'mish'"),
        (lambda: theory.chi("relu", -1.0), r"weight_variance must be at least 0 and finite; got -1.0"),
        (lambda: theory.fixed_point("tanh", 1.0, math.nan), r"bias_variance must be at least 0 and finite; got nan"),
        (lambda: theory.toy(0.0), r"factor must be positive and finite; got 0.0"),
        (lambda: theory.toy(0.8, -1), r"layers must be at least 0; got -1"),
        (lambda: theory.profile(1, activation="relu", init="xavier"), r"depth must be at least 2 .*; got 1"),
        (lambda: theory.gradient_left(-1, activation="relu", init="xavier"), r"layers must be at least 0; got -1"),
        (lambda: theory.depth_below(1.0, activation="relu", init="xavier"), r"bound must be .* not 1; got 1.0"),
        (lambda: theory.depth_below(math.inf, activation="relu", init="xavier"), r"bound must be .*; got inf"),
    ],
)
def test_errors_name_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()
