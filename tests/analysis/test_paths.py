"""Shares and their summary against counts done with exact integers."""

import math

import numpy as np
import pandas as pd
import pytest

from gradflow.analysis.paths import binomial_shares, path_lengths, path_shares
from gradflow.errors import GradflowError


def test_shares_are_counts_times_gradients():
    gradients = [4.0, 2.0, 0.5, 0.0]
    weights = np.array([math.comb(3, k) * g for k, g in enumerate(gradients)])
    np.testing.assert_allclose(path_shares(gradients), weights / weights.sum(), rtol=1e-12)


def test_counts_beyond_floats_are_summed_as_logarithms():
    shares = path_shares(np.full(1203, 1e-200))
    assert shares.sum() == pytest.approx(1.0)
    expected = math.exp(math.log(math.comb(1202, 601)) - 1202 * math.log(2))
    assert shares[601] == pytest.approx(expected)


@pytest.mark.parametrize("gradients", [[0.0, 0.0], [math.nan, 1.0], [math.inf, 1.0]])
def test_no_share_of_nothing_nor_of_infinity(gradients):
    assert np.isnan(path_shares(gradients)).all()


@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
def test_binomial_mean_is_n_a_over_one_plus_a(scale):
    frame = pd.DataFrame({"length": range(55), "share": binomial_shares(54, scale)})
    assert path_lengths(frame).mean == pytest.approx(54 * scale / (1 + scale))


def test_quartiles_and_narrowest_run_are_those_of_brute_force():
    share = np.random.default_rng(0).dirichlet(np.ones(20))
    found = path_lengths(pd.DataFrame({"length": range(20), "share": share}))
    for part, name in ((0.25, "quarter"), (0.5, "median"), (0.75, "three_quarters")):
        assert getattr(found, name) == next(k for k in range(20) if share[: k + 1].sum() >= part)
    width = found.longest - found.shortest
    assert share[found.shortest : found.longest + 1].sum() >= 0.99
    assert all(share[k : k + width].sum() < 0.99 for k in range(20 - width + 1))


@pytest.mark.parametrize(("n_blocks", "scale"), [(0, 1.0), (3, 0.0), (3, math.inf)])
def test_bad_arguments_are_named(n_blocks, scale):
    with pytest.raises(ValueError, match=r"n_blocks must be|scale must be"):
        binomial_shares(n_blocks, scale)


def test_lengths_of_no_gradient_are_refused():
    with pytest.raises(ValueError, match="no finite gradient arrived"):
        path_lengths(pd.DataFrame({"length": [0, 1], "share": path_shares([0.0, 0.0])}))


def test_a_part_of_the_lengths_says_nothing_of_where_they_lie():
    frame = pd.DataFrame({"length": range(21), "share": binomial_shares(20, 0.5)})
    with pytest.raises(GradflowError, match=r"frame must hold every path length, whose shares add up to 1; got 0\.182"):
        path_lengths(frame.query("length == 6"))
