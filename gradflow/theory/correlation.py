"""How far gradients of unrelated inputs agree after many rectifier layers, and what noise looks like beside them.

Wide layers at initialisation, weights N(0, 2 / fan_in). Sources: Balduzzi et al. 2017 (arXiv 1702.08591, section 3)
for the question and for 1/2 per layer; Cho & Saul 2009 for the two kernels of the rectifier.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]

# Batch variance of W relu(z), z standard normal: 2 Var[relu(z)]; its mean over the batch is what batch norm removes.
BRANCH_VARIANCE = 1 - 1 / math.pi


def gradient_correlation(n_blocks: int, *, skip: bool, batch_norm: bool) -> float:
    """Return the correlation of two unrelated inputs' gradients behind n blocks W relu(norm(x)), x added or not.

    Parameters
    ----------
    n_blocks : int
        Blocks between the input and the tensor at which the gradient starts; 0 gives 1.
    skip : bool
        Whether the block's input is added to it.
    batch_norm : bool
        Whether batch norm, its statistics held constant, stands before each ReLU.

    Notes
    -----
    Let q be the variance of a block's input and c the correlation between two inputs there, q = 1 and c = 0 at the
    first. Both inputs activate a unit with probability k0(c) / 2 and one of them with 1/2, k0(c) = 1 - acos(c) / pi,
    so a branch passes on 1 of |g|² and k0 of <g, g'>, each over q with batch norm. Hence a factor per block of k0
    without skip, and (1 + k0 / q) / (1 + 1 / q) with it (no 1/q without batch norm).

    Batch norm keeps c at 0: without skip the factor is 1/2. With skip q grows by 1 - 1/pi per block, so that the
    product over L blocks falls as L^(-pi / (2 pi - 2)) = L^-0.73. (The paper's theorem 3 has L^-0.5: there q grows
    by 1, the branch's mean over the batch included.) Without batch norm c grows, by k1(c) =
    (sqrt(1 - c²) + c (pi - acos c)) / pi in place of c in the branch.

    Examples
    --------
    >>> [gradient_correlation(n, skip=False, batch_norm=True) for n in (1, 2, 3)]
    [0.5, 0.25, 0.125]
    >>> [round(gradient_correlation(n, skip=True, batch_norm=True), 3) for n in (2, 128)]
    [0.61, 0.048]
    """
    if n_blocks < 0:
        raise ValueError(f"n_blocks must be at least 0; got {n_blocks}.")
    variance, cosine, correlation = 1.0, 0.0, 1.0
    for _ in range(n_blocks):
        angle = math.acos(cosine)
        both_active = 1 - angle / math.pi
        gain = 1 / variance if batch_norm else 1.0
        correlation *= (1 + gain * both_active) / (1 + gain) if skip else both_active
        if batch_norm:
            variance += BRANCH_VARIANCE
        else:
            branch = (math.sin(angle) + cosine * (math.pi - angle)) / math.pi
            cosine = min(1.0, (cosine + branch) / 2 if skip else branch)
    return correlation


def brown_noise(n: int, lags: int) -> Floats:
    """Return the autocorrelation of a random walk of n points at lags 0 to `lags`.

    The expected sample autocovariance over the expected sample variance, the sample's own mean subtracted: of
    Cov[w_i, w_j] = min(i, j) on a grid.

    Examples
    --------
    >>> brown_noise(256, 15)[[0, 1, 15]].round(3)
    array([1.   , 0.981, 0.727])
    """
    index = np.arange(1, n + 1, dtype=np.float64)
    return _autocorrelation(index.cumsum()[::-1], index * (2 * n + 1 - index) / (2 * n), lags)


def white_noise(n: int, lags: int) -> Floats:
    """Return the same of n independent values: 1 at lag 0, then a little below 0 for the mean subtracted.

    Examples
    --------
    >>> white_noise(256, 2).round(3)
    array([ 1.   , -0.004, -0.004])
    """
    return _autocorrelation(np.eye(1, n)[0] * n, np.full(n, 1 / n), lags)


def _autocorrelation(diagonals: Floats, means: Floats, lags: int) -> Floats:
    """Return the sums along the diagonals of the covariance of values less their mean, over that of the first.

    `diagonals` (n,) are the sums of the values' own covariance, of which no matrix is held; `means` (n,) those of its
    rows.
    """
    n = len(means)
    if not 0 <= lags < n:
        raise ValueError(f"lags must be from 0 to {n - 1}, one less than the points; got {lags}.")
    lag = np.arange(lags + 1)
    up_to = np.concatenate([[0.0], means.cumsum()])
    sums = diagonals[: lags + 1] - up_to[n - lag] - (up_to[n] - up_to[lag]) + (n - lag) * means.mean()
    found: Floats = sums / sums[0]
    return found
