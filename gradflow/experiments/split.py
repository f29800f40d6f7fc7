"""A stratified split in two: scikit-learn's own, without the second and a half that its import takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


def stratified(labels: NDArray[Any], *, test_share: float, seed: int) -> tuple[Indices, Indices]:
    """Return the indices of a training and a test part that hold each class in its share of the whole.

    Index for index what scikit-learn's `train_test_split(range(n), test_size=test_share, random_state=seed,
    stratify=labels)` returns: NumPy's RandomState draws the same for ever.

    Examples
    --------
    >>> train, test = stratified(np.array([0, 0, 0, 0, 1, 1, 1, 1]), test_share=0.25, seed=0)
    >>> len(train), len(test)
    (6, 2)
    """
    draws = np.random.RandomState(seed)
    n_test = int(np.ceil(test_share * len(labels)))
    counts = np.unique(labels, return_counts=True)[1]
    of_class = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])
    n_train_of = _shares(counts, len(labels) - n_test, draws)
    n_test_of = _shares(counts - n_train_of, n_test, draws)
    train: list[int] = []
    test: list[int] = []
    for indices, n_first, n_then in zip(of_class, n_train_of, n_test_of, strict=True):
        mixed = indices[draws.permutation(len(indices))]
        train.extend(mixed[:n_first])
        test.extend(mixed[n_first : n_first + n_then])
    return draws.permutation(np.array(train)), draws.permutation(np.array(test))


def _shares(counts: NDArray[np.intp], n: int, draws: np.random.RandomState) -> NDArray[np.intp]:
    """Return how many of n fall to each class: rounded down, the rest by the largest remainders, ties by lot."""
    exact = counts / counts.sum() * n
    found = np.floor(exact)
    rest = exact - found
    missing = int(n - found.sum())
    for remainder in np.unique(rest)[::-1]:
        if missing <= 0:
            break
        tied = np.flatnonzero(rest == remainder)
        chosen = draws.choice(tied, size=min(len(tied), missing), replace=False)
        found[chosen] += 1
        missing -= len(chosen)
    shares: NDArray[np.intp] = found.astype(np.intp)
    return shares
