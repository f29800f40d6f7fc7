"""The variance of pre-activations from layer to layer, and chi where it comes to rest; no norm, no skip."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gradflow.theory.activations import Curve, curve, half_square, moments
from gradflow.theory.gaussian import NODES, WEIGHTS

SMALLEST_Q = 1e-12  # a variance below it counts as 0
LARGEST_Q = 1e6  # a variance above it counts as growing without bound
STRIDE = 1.25  # between two variances at which the sign of growth is looked at
HALVINGS = 48
SAME = 1e-9  # relative: a rate this near to 1 is 1


def fixed_point(activation: str | Curve, weight_variance: float, bias_variance: float = 0.0) -> float:
    """Return the variance q to which pre-activations tend: q = sigma_w^2 E[phi(sqrt(q) z)^2] + sigma_b^2.

    0.0 where activations die out, inf where they grow without bound. Where there are several, the one that
    inputs of mean square 1 lead to. ReLU at variance 2, and the like, keep any q; 1.0 stands for them all.
    Source: Poole et al. 2016 (arXiv 1606.05340), eq. 3.

    Parameters
    ----------
    activation : str or Curve
        A name in `ACTIVATIONS`, or a curve of your own.
    weight_variance, bias_variance : float
        sigma_w^2 = fan_in Var[w] and sigma_b^2 = Var[b].

    Raises
    ------
    ValueError
        The activation is unknown, or a variance is negative or not finite.

    Notes
    -----
    The right side grows with q for every activation named, so that variances move one way from the start, to
    the first fixed point on it. It is looked for in steps of a factor 1.25: one that merely touches is not
    seen, as GELU's at its critical initialisation, which `critical` knows.

    Examples
    --------
    >>> round(fixed_point("sigmoid", 1.0), 3)
    0.265
    """
    phi = curve(activation)
    check_variance("weight_variance", weight_variance)
    check_variance("bias_variance", bias_variance)
    if phi.is_linear_by_halves:
        return _by_halves(weight_variance * half_square(phi.at_zero), bias_variance)

    def growth(q: float) -> float:
        return weight_variance * moments(phi, q).mean_square + bias_variance - q

    start = max(weight_variance + bias_variance, SMALLEST_Q)
    rises = growth(start) > 0
    end = max(LARGEST_Q, start) if rises else SMALLEST_Q
    looked_at = np.geomspace(start, end, 2 + round(abs(math.log(end / start)) / math.log(STRIDE)))
    squares = phi.value(np.sqrt(looked_at)[:, None] * NODES) ** 2 @ WEIGHTS
    turned = np.flatnonzero((weight_variance * squares + bias_variance - looked_at > 0) != rises)
    if not len(turned):
        return math.inf if rises else 0.0
    found = max(int(turned[0]), 1)
    return root(growth, float(looked_at[found - 1]), float(looked_at[found]))


def _by_halves(rate: float, bias_variance: float) -> float:
    """Solve q = rate q + sigma_b^2."""
    if math.isclose(rate, 1.0, rel_tol=SAME):
        return math.inf if bias_variance else 1.0
    return math.inf if rate > 1 else bias_variance / (1 - rate)


def chi(activation: str | Curve, weight_variance: float, bias_variance: float = 0.0) -> float:
    """Return chi = sigma_w^2 E[phi'(sqrt(q) z)^2] at the fixed point q, without norm and skip.

    Source: Schoenholz et al. 2017 (arXiv 1611.01232), eq. 5 and section 4.1.

    Arguments, and errors, are as in `fixed_point`.

    Examples
    --------
    >>> round(chi("relu", 1 / 3), 6)
    0.166667
    """
    q = fixed_point(activation, weight_variance, bias_variance)
    return weight_variance * moments(curve(activation), q).slope_square


def variance_rate(activation: str | Curve, weight_variance: float, q: float) -> float:
    """Return d(sigma_w^2 E[phi(sqrt(q) z)^2]) / dq: below 1 at a fixed point it attracts, above it repels.

    Roberts, Yaida & Hanin 2022 (arXiv 2106.10165) call it the parallel susceptibility.

    Examples
    --------
    >>> variance_rate("relu", 2.0, 1.0)
    1.0
    """
    phi = curve(activation)
    if q == 0 or math.isinf(q) or phi.is_linear_by_halves:
        return weight_variance * half_square(phi.at_infinity if math.isinf(q) else phi.at_zero)
    x = math.sqrt(q) * NODES
    # d/dq E[phi(sqrt(q) z)^2] = E[phi phi' z] / sqrt(q), without a second derivative
    return weight_variance * float(WEIGHTS @ (phi.value(x) * phi.slope(x) * NODES)) / math.sqrt(q)


def check_variance(name: str, value: float) -> None:
    """Raise ValueError unless a variance is at least 0 and finite."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be at least 0 and finite; got {value}.")


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function that has opposite signs at two positive ends is 0, by halving in the logarithm.

    Not scipy.optimize: its import takes longer than all of theory.

    Examples
    --------
    >>> round(root(lambda x: x * x - 2, 1.0, 2.0), 12)
    1.414213562373
    """
    sign = function(low) > 0
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        if (function(middle) > 0) == sign:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)
