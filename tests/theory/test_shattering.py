"""Closed forms against integrals over normal pairs and against simulated noise."""

import math

import numpy as np
import pytest

from gradflow.theory.correlation import brown_noise, gradient_correlation, white_noise


def simulated(n_blocks, *, skip, batch_norm, width=400_000, seed=0):
    """Return the correlation in a network of mean-field units: of each block, a pair of inputs drawn anew.

    Pre-activations of two inputs are normal pairs with the covariance that the block before gives them; the
    gradient's squared norm and inner product grow by what the drawn units pass on.
    """
    rng = np.random.default_rng(seed)
    q, p, square, product = 1.0, 0.0, 1.0, 1.0
    for _ in range(n_blocks):
        first, noise = rng.standard_normal((2, width))
        cosine = 0.0 if batch_norm else p / q
        u, v = first, cosine * first + math.sqrt(1 - cosine**2) * noise
        if not batch_norm:
            u, v = math.sqrt(q) * u, math.sqrt(q) * v
        slope = 2 / q if batch_norm else 2.0  # weight variance times width, over the norm's variance
        passed, shared = slope * np.mean(u > 0), slope * np.mean((u > 0) & (v > 0))
        square, product = square * (skip + passed), product * (skip + shared)
        relu_u, relu_v = np.maximum(u, 0), np.maximum(v, 0)
        if batch_norm:  # the mean over the batch is the same for all inputs and is removed next
            branch_q, branch_p = 2 * relu_u.var(), 0.0
        else:
            branch_q, branch_p = 2 * np.mean(relu_u**2), 2 * np.mean(relu_u * relu_v)
        q, p = skip * q + branch_q, skip * p + branch_p
        if batch_norm and not skip:
            q = 1.0  # whatever it is, norm divides it out, and slopes cancel in the ratio
    return product / square


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("n_blocks", [1, 2, 5, 12])
def test_correlation_is_that_of_simulated_units(n_blocks, skip, batch_norm):
    expected = simulated(n_blocks, skip=skip, batch_norm=batch_norm)
    assert gradient_correlation(n_blocks, skip=skip, batch_norm=batch_norm) == pytest.approx(expected, rel=0.03)


def test_plain_batch_norm_halves_and_residual_falls_as_a_power():
    assert gradient_correlation(10, skip=False, batch_norm=True) == 2**-10
    far, near = (gradient_correlation(n, skip=True, batch_norm=True) for n in (2000, 1000))
    assert math.log2(near / far) == pytest.approx(math.pi / (2 * math.pi - 2), abs=2e-3)


def test_no_block_leaves_the_gradients_equal():
    assert gradient_correlation(0, skip=False, batch_norm=True) == 1.0


def test_threshold_of_the_diagnosis_lies_where_its_comment_says():
    assert (
        gradient_correlation(6, skip=False, batch_norm=True)
        > 0.01
        > gradient_correlation(7, skip=False, batch_norm=True)
    )
    residual = [gradient_correlation(n, skip=True, batch_norm=True) for n in (1050, 1150)]
    assert residual[0] > 0.01 > residual[1]


@pytest.mark.parametrize(("noise", "walk"), [(white_noise, False), (brown_noise, True)])
def test_noise_has_the_autocovariance_of_simulated_noise(noise, walk):
    n, lags, repeats = 60, 8, 20_000
    values = np.random.default_rng(0).standard_normal((repeats, n))
    values = values.cumsum(axis=1) if walk else values
    values -= values.mean(axis=1, keepdims=True)
    sums = np.array([(values[:, : n - lag] * values[:, lag:]).sum() for lag in range(lags + 1)])
    np.testing.assert_allclose(noise(n, lags), sums / sums[0], atol=0.01)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="n_blocks must be at least 0; got -1"):
        gradient_correlation(-1, skip=True, batch_norm=True)
    with pytest.raises(ValueError, match=r"lags must be from 0 to 4.*got 5"):
        brown_noise(5, 5)
