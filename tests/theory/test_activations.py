"""Moments against PyTorch's own activations, its autograd, and Simpson's rule on either side of the kink."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate
from torch.nn import functional
from torch_activations import TORCH, value_and_slope

from gradflow import theory
from gradflow.theory.gaussian import NODES, WEIGHTS, mean

POINTS = 40_001
TINY = 1e-9  # off the kink at 0, where autograd takes one of the two slopes


def expected_moments(activation, q):
    """E[phi], E[phi^2], E[phi'^2] by Simpson's rule, dense where sqrt(q) z bends."""
    found = np.zeros(3)
    for sign in (-1, 1):
        u = np.linspace(math.sqrt(TINY), math.sqrt(10.0), POINTS)
        z, jacobian = sign * u**2, 2 * u
        value, slope = value_and_slope(activation, math.sqrt(q) * z)
        density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * jacobian
        found += [integrate.simpson(one * density, x=u) for one in (value, value**2, slope**2)]
    return found


@pytest.mark.parametrize("activation", theory.ACTIVATIONS)
@pytest.mark.parametrize("q", [1e-4, 0.3, 1.0, 40.0, 1e4])
def test_moments_are_those_of_pytorchs_activation(activation, q):
    found = theory.moments(theory.CURVES[activation], q)
    expected = expected_moments(activation, q)
    scale = np.array([max(math.sqrt(q), 1.0), max(q, 1.0), 1.0])
    np.testing.assert_allclose(found / scale, expected / scale, rtol=1e-7, atol=2e-8)


def test_every_activation_is_compared():
    assert set(TORCH) == set(theory.ACTIVATIONS)


@pytest.mark.parametrize(("power", "expected"), [(0, 1), (1, 0), (2, 1), (3, 0), (4, 3), (6, 15), (8, 105)])
def test_powers_of_a_normal(power, expected):
    assert mean(lambda z: z**power) == pytest.approx(expected, rel=1e-11, abs=1e-11)


def test_the_kink_is_met_exactly():
    """Where a Gauss-Hermite rule is 5 % off: half of the line has slope 1."""
    assert pytest.approx(0.5, rel=1e-14) == WEIGHTS[NODES > 0].sum()
    nodes, weights = np.polynomial.hermite_e.hermegauss(201)
    hermite = float(weights[nodes > 0].sum() / weights.sum())
    assert abs(hermite - 0.5) > 0.02


def test_exact_where_linear_by_halves():
    relu, leaky = theory.moments(theory.CURVES["relu"], 3.0), theory.moments(theory.leaky_relu(-0.5), 2.0)
    assert relu[1:] == (1.5, 0.5)
    assert relu.variance == pytest.approx(1.5 - 3 / (2 * math.pi), rel=1e-15)
    assert leaky[1:] == (1.25, 0.625)
    assert leaky.mean == pytest.approx(1.5 * math.sqrt(2 / (2 * math.pi)), rel=1e-15)


def test_ends_of_the_scale():
    for activation in theory.ACTIVATIONS:
        curve = theory.CURVES[activation]
        for end, near in ((0.0, 1e-14), (math.inf, 1e12)):
            assert theory.moments(curve, end).slope_square == pytest.approx(
                theory.moments(curve, near).slope_square, abs=1e-5
            )
    assert theory.moments(theory.CURVES["softplus"], 0.0).mean == pytest.approx(math.log(2))


def test_a_curve_of_ones_own():
    mish = theory.Curve("mish", *(lambda x, part=part: mish_and_slope(x)[part] for part in (0, 1)))
    found = theory.critical(mish)
    q = theory.fixed_point(mish, found.weight_variance, found.bias_variance)
    assert q == pytest.approx(found.q, rel=1e-6)
    assert theory.chi(mish, found.weight_variance, found.bias_variance) == pytest.approx(1, rel=1e-9)


def mish_and_slope(x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value = functional.mish(x)
    (slope,) = torch.autograd.grad(value.sum(), x)
    return value.detach().numpy(), slope.numpy()


def test_leaky_relu_refuses_a_slope_that_is_no_number():
    with pytest.raises(ValueError, match=r"slope must be from .* to .*; got inf"):
        theory.leaky_relu(math.inf)
