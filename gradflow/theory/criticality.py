"""The critical initialisation: the variances of weights and biases at which gradients neither vanish nor explode."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from gradflow.theory.activations import Curve, curve, half_square
from gradflow.theory.gaussian import NODES, WEIGHTS, Floats
from gradflow.theory.variance import check_variance, root, variance_rate

LOOKED_AT = np.geomspace(1e-4, 1e6, 81)  # variances q between which the edge is looked for
BESIDE_ZERO = 1e-6  # a variance that tells whether 0 attracts
TOLERANCE = 1e-9  # by which a rate may exceed 1, where a variance attracts from one side
THIRDS = 20


class Critical(NamedTuple):
    """One point of the edge of chaos, chi = 1.

    `q` is the pre-activation variance there; `rate` is what a small deviation from it is multiplied by per layer:
    below 1 it dies out.
    """

    weight_variance: float
    bias_variance: float
    q: float
    rate: float

    @property
    def gain(self) -> float:
        """sigma_w, what weights of variance 1 / fan_in are multiplied by: sqrt(2) for ReLU (He et al. 2015)."""
        return math.sqrt(self.weight_variance)


def critical(activation: str | Curve, bias_variance: float | None = None) -> Critical:
    """Return the variances of weights and biases with chi = 1 at a pre-activation variance that attracts.

    Parameters
    ----------
    activation : str or Curve
        A name in `ACTIVATIONS`, or a curve of your own.
    bias_variance : float, optional
        sigma_b^2. By default 0 where that has a critical weight variance. Otherwise, as for GELU and SiLU, the
        one at which deviations from q die out fastest.

    Raises
    ------
    ValueError
        The activation is unknown, or has no critical initialisation (of this bias variance): softplus has none.

    Notes
    -----
    chi = 1 is a curve in (sigma_w^2, sigma_b^2), the edge of chaos of Schoenholz et al. 2017 (arXiv 1611.01232)
    and Hayou et al. 2019 (arXiv 1902.06853). By its q it is explicit,

        sigma_w^2 = 1 / E[phi'(x)^2],  sigma_b^2 = q - E[phi(x)^2] / E[phi'(x)^2],  x = sqrt(q) z,

    and q attracts where its `rate` is below 1. Where phi is a line through 0 on either side chi = 1 at any q:
    with slopes a and b, sigma_w^2 = 2 / (a^2 + b^2), which is He et al. 2015 (arXiv 1502.01852) for ReLU and
    leaky ReLU. GELU and SiLU have no such point below sigma_b^2 = 0.173 and 0.555, where the rate is 1 (Roberts,
    Yaida & Hanin 2022, arXiv 2106.10165); near there inputs of mean square 1 stop at a smaller q, with chi < 1.

    Examples
    --------
    >>> critical("tanh")
    Critical(weight_variance=1.0, bias_variance=0.0, q=0.0, rate=1.0)
    >>> round(critical("relu").gain, 6)
    1.414214
    >>> [round(number, 3) for number in critical("gelu")]
    [1.957, 0.388, 13.793, 0.981]
    """
    phi = curve(activation)
    if bias_variance is not None:
        check_variance("bias_variance", bias_variance)
    if phi.is_linear_by_halves and half_square(phi.at_zero):
        biases = bias_variance or 0.0
        return Critical(1 / half_square(phi.at_zero), biases, math.inf if biases else 1.0, 1.0)
    if not bias_variance and _zero_attracts(phi):
        return Critical(1 / half_square(phi.at_zero), 0.0, 0.0, 1.0)
    q = _of_biases(phi, bias_variance or 0.0)
    if q is not None:
        weights, _, rate = _edge(phi, q)
        return Critical(weights, bias_variance or 0.0, q, rate)
    q = _fastest(phi) if bias_variance is None else None
    if q is None:
        given = "" if bias_variance is None else f" with bias_variance={bias_variance:g}"
        raise ValueError(
            f"{phi.name} has no critical initialisation{given}: chi is 1 at no pre-activation variance that attracts."
        )
    weights, biases, rate = _edge(phi, q)
    return Critical(weights, max(biases, 0.0), q, rate)


def _zero_attracts(phi: Curve) -> bool:
    """Return whether chi = 1 at q = 0, which attracts, without biases."""
    slope_square = half_square(phi.at_zero)
    if phi.value(np.zeros(1))[0] or not slope_square:
        return False
    return variance_rate(phi, 1 / slope_square, BESIDE_ZERO) < 1


def _edge(phi: Curve, q: float) -> tuple[float, float, float]:
    """Return sigma_w^2, sigma_b^2 and the rate of the edge of chaos at a variance."""
    weights, biases, rates = _edges(phi, np.array([q]))
    return float(weights[0]), float(biases[0]), float(rates[0])


def _edges(phi: Curve, q: Floats) -> tuple[Floats, Floats, Floats]:
    """Return sigma_w^2, sigma_b^2 and the rate of the edge of chaos at each variance."""
    x = np.sqrt(q)[:, None] * NODES
    value, slope = phi.value(x), phi.slope(x)
    weights = 1 / (slope**2 @ WEIGHTS)
    return weights, q - (value**2 @ WEIGHTS) * weights, weights * ((value * slope) @ (WEIGHTS * NODES)) / np.sqrt(q)


def _of_biases(phi: Curve, bias_variance: float) -> float | None:
    """Return the first variance on the edge that attracts at this bias variance."""

    def missing(q: float) -> float:
        return _edge(phi, q)[1] - bias_variance

    crossed = np.flatnonzero(np.diff(_edges(phi, LOOKED_AT)[1] > bias_variance))
    for index in crossed.tolist():
        q = root(missing, float(LOOKED_AT[index]), float(LOOKED_AT[index + 1]))
        if _edge(phi, q)[2] <= 1 + TOLERANCE:
            return q
    return None


def _fastest(phi: Curve) -> float | None:
    """Return the variance on the edge whose deviations die out fastest, by thirds in the logarithm."""
    _, biases, rates = _edges(phi, LOOKED_AT)
    allowed = np.flatnonzero((rates < 1) & (biases >= 0))
    if not len(allowed):
        return None
    least = int(allowed[rates[allowed].argmin()])
    low, high = np.log(LOOKED_AT[[max(least - 1, 0), min(least + 1, len(LOOKED_AT) - 1)]]).tolist()
    for _ in range(THIRDS):
        third = (high - low) / 3
        if _edge(phi, math.exp(low + third))[2] < _edge(phi, math.exp(high - third))[2]:
            high -= third
        else:
            low += third
    return math.exp((low + high) / 2)
