"""The arithmetic of a constant factor per layer."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

TOY_FACTOR = 0.8  # the textbook's constant factor per layer


def toy(factor: float = TOY_FACTOR, layers: int = 20) -> NDArray[np.float64]:
    """Return factor^k for k = 0 ... layers: the gradient left after k layers of the textbook's toy.

    Raises
    ------
    ValueError
        `factor` is not positive and finite, or `layers` is negative.

    Examples
    --------
    >>> toy()[[5, 10, 15, 20]].round(6)
    array([0.32768 , 0.107374, 0.035184, 0.011529])
    """
    if not 0 < factor < math.inf:
        raise ValueError(f"factor must be positive and finite; got {factor}.")
    if layers < 0:
        raise ValueError(f"layers must be at least 0; got {layers}.")
    return np.float64(factor) ** np.arange(layers + 1)
