import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from gradflow.experiments.split import stratified


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.2, 0.37, 0.5])
@pytest.mark.parametrize("n_classes", [2, 7, 10])
def test_every_index_is_scikit_learns(seed, share, n_classes):
    labels = np.random.default_rng(seed).integers(n_classes, size=60 * n_classes + 17)
    expected = train_test_split(np.arange(len(labels)), test_size=share, random_state=seed, stratify=labels)
    for found, wanted in zip(stratified(labels, test_share=share, seed=seed), expected, strict=True):
        assert found.tolist() == wanted.tolist()


def test_classes_of_one_size_tie():
    labels = np.repeat(np.arange(9), 11)  # a fifth of 11 leaves nine equal remainders
    expected = train_test_split(np.arange(99), test_size=0.2, random_state=3, stratify=labels)
    for found, wanted in zip(stratified(labels, test_share=0.2, seed=3), expected, strict=True):
        assert found.tolist() == wanted.tolist()


def test_the_digits_fall_apart_as_they_did():
    labels = load_digits().target
    train, test = stratified(labels, test_share=0.2, seed=0)
    assert (len(train), len(test)) == (1437, 360)
    assert sorted([*train, *test]) == list(range(1797))
    assert np.bincount(labels[test]).tolist() == [36, 36, 35, 37, 36, 37, 36, 36, 35, 36]
