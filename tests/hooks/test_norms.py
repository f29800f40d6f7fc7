import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradflow.hooks import l2_norm
from gradflow.hooks.norms import l2_norms

TOLERANCE = 1e-6  # relative: what the tables promise


def exact(values: list[float]) -> float:
    """An independent norm: Python's correctly rounded sum of squares, scaled by the largest entry."""
    largest = max((abs(value) for value in values), default=0.0)
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * math.sqrt(math.fsum((value / largest) ** 2 for value in values))


@pytest.mark.parametrize("n", [0, 1, 7, 1023, 1024, 1025, 8192, 8193, 100_000, 1_000_003])
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1.0, 1e12, 1e30])
def test_any_size_and_magnitude(n, scale):
    values = torch.randn(n, generator=torch.Generator().manual_seed(n)) * scale
    assert l2_norm(values) == pytest.approx(exact(values.tolist()), rel=TOLERANCE)


@pytest.mark.parametrize("n", [100, 4_096, 5_000, 4_000_000])
def test_equal_entries_do_not_drift(n):
    # A float32 sum of 4 million equal squares is 1e-4 off.
    value = torch.tensor(0.1).item()
    assert l2_norm(torch.full((n,), 0.1)) == pytest.approx(value * math.sqrt(n), rel=TOLERANCE)


def test_float32_squares_that_underflow():
    assert l2_norm(torch.full((100,), 1e-25)) == pytest.approx(1e-24, rel=TOLERANCE)
    assert l2_norm(torch.full((1_000_000,), 3e-23)) == pytest.approx(3e-20, rel=TOLERANCE)


def test_one_large_entry_among_tiny_ones():
    values = torch.full((50_000,), 1e-20)
    values[-1] = 1e-3
    assert l2_norm(values) == pytest.approx(1e-3, rel=TOLERANCE)


def test_float32_squares_that_overflow():
    assert l2_norm(torch.full((10_000,), 1e30)) == pytest.approx(1e32, rel=TOLERANCE)


def test_half_precision_beyond_its_own_range():
    assert l2_norm(torch.full((1_000,), 6e4, dtype=torch.float16)) == pytest.approx(6e4 * math.sqrt(1000), rel=1e-6)
    value = torch.tensor(1e-30, dtype=torch.bfloat16).item()
    assert l2_norm(torch.full((64,), 1e-30, dtype=torch.bfloat16)) == pytest.approx(8 * value, rel=TOLERANCE)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_float64_squares_beyond_float64(scale):
    values = torch.full((10_000,), scale, dtype=torch.float64)
    assert l2_norm(values) == pytest.approx(100 * scale, rel=TOLERANCE)


def test_complex_and_sparse():
    assert l2_norm(torch.full((9,), 3 + 4j)) == pytest.approx(15)
    sparse = torch.sparse_coo_tensor(
        [[0, 0, 2]], [3.0, 1.0, 3.0], (5,), check_invariants=True
    )  # two entries add up at 0
    assert l2_norm(sparse) == pytest.approx(5)


def test_not_contiguous():
    values = torch.arange(40_000.0).view(200, 200).t()[::2]
    assert l2_norm(values) == pytest.approx(exact(values.flatten().tolist()), rel=TOLERANCE)


@pytest.mark.parametrize("n", [10, 2_000, 100_000])
def test_nonfinite_entries_are_data(n):
    values = torch.ones(n)
    values[0] = math.inf
    assert l2_norm(values) == math.inf
    values[1] = math.nan
    assert math.isnan(l2_norm(values))


def test_zeros():
    assert l2_norm(torch.zeros(100_000)) == 0.0
    assert l2_norm(torch.zeros(3)) == 0.0


@settings(max_examples=60, deadline=None)
@given(
    exponents=st.lists(st.floats(-38, 38), min_size=1, max_size=40),
    repeat=st.sampled_from([1, 30, 400]),
)
def test_mixed_magnitudes(exponents, repeat):
    values = torch.tensor([10.0**exponent for exponent in exponents] * repeat)
    assert l2_norm(values) == pytest.approx(exact(values.tolist()), rel=TOLERANCE)


@pytest.mark.parametrize("value", [1e-25, 3e-23, 1e-12, 1.0, 1e30])
def test_small_tensors_taken_together_have_the_norms_of_each(value):
    tensors = [torch.full((size,), value) for size in (1, 100, 4096, 8192)] * 10  # over TOGETHER entries in all
    expected = [np.linalg.norm(tensor.double().numpy()) for tensor in tensors]
    assert l2_norms(tensors) == pytest.approx(expected, rel=1e-6)


def test_tensors_of_every_kind_may_be_taken_together():
    tensors = [
        torch.ones(4),
        torch.full((2,), 6e4, dtype=torch.float16),
        torch.ones(0),
        torch.full((9,), math.inf),
        torch.ones(3, 3, dtype=torch.complex64),
        torch.eye(5).to_sparse(),
        torch.arange(6.0).view(2, 3).t(),
        torch.ones(2, dtype=torch.complex64).conj().imag,  # carries the negative bit
        torch.full((2,), math.nan),
    ]
    expected = [2.0, 6e4 * 2**0.5, 0.0, math.inf, 3.0, 5**0.5, 55**0.5, 0.0, math.nan]
    assert l2_norms(tensors) == pytest.approx(expected, rel=1e-6, nan_ok=True)
