"""Means over a standard normal, by one fixed set of nodes: exact to rounding for curves with a kink at 0 alone.

Gauss-Legendre on panels that halve toward 0 from both sides, with the density in the weights. A kink at 0 falls on
a panel's edge, and a curve that is sharp around 0 (tanh(100 000 z)) is smooth on each panel. Gauss-Hermite nodes are
not: they cross the kink, and with 200 of them E[phi'^2] of ReLU is 5 % off.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]

REACH = 12.0  # a standard normal lies beyond it with probability 4e-33
PANELS = 22  # on each side; the innermost ends at 12 / 2^21, so that tanh(100 000 z) is smooth on it
POINTS = 12  # a panel


def _one_side() -> tuple[Floats, Floats]:
    """Return nodes z > 0 and weights that hold the density."""
    points, weights = np.polynomial.legendre.leggauss(POINTS)
    edges = np.concatenate([[0.0], REACH * 2.0 ** np.arange(1 - PANELS, 1)])
    low, high = edges[:-1, None], edges[1:, None]
    nodes = ((low + high) / 2 + (high - low) / 2 * points).ravel()
    density = np.exp(-(nodes**2) / 2) / math.sqrt(2 * math.pi)
    return nodes, ((high - low) / 2 * weights).ravel() * density


def _both_sides() -> tuple[Floats, Floats]:
    nodes, weights = _one_side()
    found = np.concatenate([-nodes[::-1], nodes]), np.concatenate([weights[::-1], weights])
    for array in found:
        array.setflags(write=False)
    return found


NODES, WEIGHTS = _both_sides()


def mean(function: Function, q: float = 1.0) -> float:
    """Return E[function(sqrt(q) z)] of an elementwise function, smooth but at 0, at a positive variance q.

    Examples
    --------
    >>> round(mean(lambda x: np.maximum(x, 0.0) ** 2, q=3.0), 12)
    1.5
    """
    return float(WEIGHTS @ function(math.sqrt(q) * NODES))
