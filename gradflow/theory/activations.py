"""Activations as pairs of functions, phi and phi', and their first two moments over a normal argument."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from gradflow.ranges import RANGES
from gradflow.theory.gaussian import NODES, WEIGHTS, Floats, Function

NEAR, FAR = 1e-300, 1e6  # where a slope is read for its value beside 0 and at infinity
LEAKY_SLOPE = 0.01  # PyTorch's negative_slope
# Klambauer et al. 2017 (arXiv 1706.02515), eq. 14: mean 0 and variance 1 are kept at sigma_w^2 = 1.
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


@dataclass(frozen=True)
class Curve:
    """An activation: its name, phi and phi', each array to array. A kink may lie at 0 alone.

    Examples
    --------
    >>> squared_relu = Curve("squared relu", lambda x: np.maximum(x, 0.0) ** 2, lambda x: 2 * np.maximum(x, 0.0))
    >>> round(moments(squared_relu, 1.0).mean_square, 12)
    1.5
    """

    name: str
    value: Function
    slope: Function

    @cached_property
    def at_zero(self) -> tuple[float, float]:
        """Slopes just below and just above 0."""
        return self._slopes(NEAR)

    @cached_property
    def at_infinity(self) -> tuple[float, float]:
        """Slopes far below and far above 0."""
        return self._slopes(FAR)

    @cached_property
    def is_linear_by_halves(self) -> bool:
        """Whether phi is a line through 0 on either side, as ReLU, leaky ReLU and the identity are."""
        below, above = self.at_zero
        return bool(np.allclose(self.value(NODES), np.where(NODES < 0, below, above) * NODES, rtol=1e-12, atol=0))

    def _slopes(self, distance: float) -> tuple[float, float]:
        below, above = self.slope(np.array([-distance, distance]))
        return float(below), float(above)


class Moments(NamedTuple):
    """Means over an argument of variance q: E[phi], E[phi^2], E[phi'^2]."""

    mean: float
    mean_square: float
    slope_square: float

    @property
    def variance(self) -> float:
        """Var[phi]."""
        return self.mean_square - self.mean**2


def moments(curve: Curve, q: float) -> Moments:
    """Return E[phi(x)], E[phi(x)^2] and E[phi'(x)^2] for x normal with variance q, 0 and inf included.

    Exact where phi is linear on either side of 0: with slopes a and b, E[phi^2] = q (a^2 + b^2) / 2.
    """
    if q == 0:
        at_zero = float(curve.value(np.zeros(1))[0])
        return Moments(at_zero, at_zero**2, half_square(curve.at_zero))
    if math.isinf(q):
        return Moments(math.nan, math.nan, half_square(curve.at_infinity))
    if curve.is_linear_by_halves:
        below, above = curve.at_zero
        square = half_square((below, above))
        return Moments((above - below) * math.sqrt(q / (2 * math.pi)), q * square, square)
    x = math.sqrt(q) * NODES
    value = curve.value(x)
    return Moments(float(WEIGHTS @ value), float(WEIGHTS @ value**2), float(WEIGHTS @ curve.slope(x) ** 2))


def half_square(slopes: tuple[float, float]) -> float:
    """Return (a^2 + b^2) / 2: the mean square of a slope that is a below 0 and b above."""
    return (slopes[0] ** 2 + slopes[1] ** 2) / 2


def leaky_relu(slope: float = LEAKY_SLOPE) -> Curve:
    """Return the leaky ReLU of a slope below 0.

    Raises
    ------
    ValueError
        `slope` is not finite, or beyond a million.

    Examples
    --------
    >>> leaky_relu(0.2).name
    'leaky-relu(0.2)'
    """
    wrong = RANGES["slope"].complaint("slope", slope)
    if wrong:
        raise ValueError(wrong)
    name = "leaky-relu" if slope == LEAKY_SLOPE else f"leaky-relu({slope:g})"
    return Curve(name, lambda x: np.where(x > 0, x, slope * x), lambda x: np.where(x > 0, 1.0, slope))


def curve(activation: str | Curve) -> Curve:
    """Return the curve of an activation's name, or the curve given.

    Raises
    ------
    ValueError
        The name is unknown.
    """
    if isinstance(activation, Curve):
        return activation
    if activation not in CURVES:
        raise ValueError(f"activation must be one of {', '.join(CURVES)}, or a Curve; got {activation!r}.")
    return CURVES[activation]


def _density(x: Floats) -> Floats:
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _cumulative(x: Floats) -> Floats:
    """Return P(z < x)."""
    from scipy import special  # for GELU alone: its import takes longer than all of theory's without it

    found: Floats = special.ndtr(x)
    return found


def _sigmoid(x: Floats) -> Floats:
    return (1 + np.tanh(x / 2)) / 2


def _sigmoid_slope(x: Floats) -> Floats:
    share = _sigmoid(x)
    return share * (1 - share)


def _gelu_slope(x: Floats) -> Floats:
    return _cumulative(x) + x * _density(x)


def _silu_slope(x: Floats) -> Floats:
    share = _sigmoid(x)
    return share * (1 + x * (1 - share))


def _elu(x: Floats) -> Floats:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0.0)))


def _elu_slope(x: Floats) -> Floats:
    return np.exp(np.minimum(x, 0.0))


def _selu(x: Floats) -> Floats:
    return SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0.0)))


def _selu_slope(x: Floats) -> Floats:
    return SELU_SCALE * np.where(x > 0, 1.0, SELU_ALPHA * np.exp(np.minimum(x, 0.0)))


CURVES: Mapping[str, Curve] = MappingProxyType(
    {
        one.name: one
        for one in (
            Curve("relu", lambda x: np.maximum(x, 0.0), lambda x: np.where(x > 0, 1.0, 0.0)),
            leaky_relu(),
            Curve("identity", lambda x: x, np.ones_like),
            Curve("tanh", np.tanh, lambda x: 1.0 - np.tanh(x) ** 2),
            Curve("sigmoid", _sigmoid, _sigmoid_slope),
            Curve("gelu", lambda x: x * _cumulative(x), _gelu_slope),
            Curve("silu", lambda x: x * _sigmoid(x), _silu_slope),
            Curve("elu", _elu, _elu_slope),
            Curve("selu", _selu, _selu_slope),
            Curve("softplus", lambda x: np.logaddexp(0.0, x), _sigmoid),
        )
    }
)
