"""The edge of chaos: chi = 1 where inputs of mean square 1 lead, by iteration on a grid; published points."""

import math

import numpy as np
import pytest
from torch_activations import value_and_slope

from gradflow import theory

GRID = np.linspace(-10, 10, 10_000)  # an even number: no point on a kink at 0
DENSITY = np.exp(-(GRID**2) / 2) / math.sqrt(2 * math.pi)


def on_grid(values):
    return float(np.trapezoid(values * DENSITY, GRID))


def variance_after(activation, weights, biases, layers):
    """The pre-activation variance after so many layers from inputs of mean square 1, and chi there."""
    q = weights + biases
    for _ in range(layers):
        q = weights * on_grid(value_and_slope(activation, math.sqrt(q) * GRID)[0] ** 2) + biases
    return q, weights * on_grid(value_and_slope(activation, math.sqrt(q) * GRID)[1] ** 2)


@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "identity", "sigmoid", "gelu", "silu"])
def test_inputs_of_mean_square_one_arrive_at_chi_one(activation):
    point = theory.critical(activation)
    q, chi = variance_after(activation, point.weight_variance, point.bias_variance, 600)
    assert chi == pytest.approx(1, abs=2e-3)
    if activation not in ("relu", "leaky-relu", "identity"):
        assert q == pytest.approx(point.q, rel=2e-2)
        assert point.rate < 1


@pytest.mark.parametrize("activation", ["tanh", "elu", "selu"])
def test_where_variances_die_out_chi_tends_to_one(activation):
    point = theory.critical(activation)
    chis = [variance_after(activation, *point[:2], layers)[1] for layers in (10, 100, 400)]
    assert chis[0] < chis[1] < chis[2] < 1
    assert chis[2] > 0.99
    assert point.q == 0


@pytest.mark.parametrize(("activation", "biases"), [("tanh", 0.1), ("elu", 0.05), ("gelu", 0.6), ("selu", 1.0)])
def test_a_bias_variance_that_is_given(activation, biases):
    point = theory.critical(activation, biases)
    q, chi = variance_after(activation, point.weight_variance, biases, 600)
    assert point.bias_variance == pytest.approx(biases, rel=1e-9)
    assert chi == pytest.approx(1, abs=1e-3)
    assert q == pytest.approx(point.q, rel=2e-3)


def test_no_biases_are_exactly_none():
    assert theory.critical("sigmoid").bias_variance == 0.0  # a root, whose rounding differs between processors


def test_published_points():
    assert theory.critical("relu")[:2] == (2.0, 0.0)  # He et al. 2015
    assert theory.critical("tanh")[:2] == (1.0, 0.0)  # Schoenholz et al. 2017
    assert theory.critical(theory.leaky_relu(0.2)).gain == pytest.approx(math.sqrt(2 / 1.04), rel=1e-12)
    # Roberts, Yaida & Hanin 2022: weights of GELU and SiLU at their bias variances
    assert theory.critical("gelu", 0.1729225).weight_variance == pytest.approx(1.98305826, rel=1e-6)
    silu = theory.critical("silu", 0.5551432)
    assert silu.weight_variance == pytest.approx(1.98800468, rel=1e-6)
    assert silu.q == pytest.approx(14.32017362, rel=1e-3)
    assert silu.rate == pytest.approx(1, abs=1e-5)


def test_sigmoid_is_tanh_in_other_units():
    """sigmoid(x) = (1 + tanh(x / 2)) / 2: its point without biases is tanh's with sigma_b^2 = sigma_w^2."""
    weights = theory.critical("sigmoid").weight_variance / 16
    assert theory.critical("tanh", weights).weight_variance == pytest.approx(weights, rel=1e-8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("softplus",), "softplus has no critical initialisation: chi is 1 at no"),
        (("gelu", 0.0), "gelu has no critical initialisation with bias_variance=0"),
        (("gelu", 0.1), "gelu has no critical initialisation with bias_variance=0.1"),
        (("swish",), r"activation must be one of relu, .* or a Curve; got 'swish'"),
        (("tanh", -1.0), "bias_variance must be at least 0 and finite; got -1.0"),
    ],
)
def test_none_is_said(arguments, message):
    with pytest.raises(ValueError, match=message):
        theory.critical(*arguments)
