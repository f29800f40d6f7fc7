import math
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import norm64
from torch.utils._python_dispatch import TorchDispatchMode

from gradflow.hooks import l2_norm
from gradflow.hooks.norms import (
    _on_device,
    count_nonfinite,
    is_small,
    l2_norms,
    l2_norms_along,
    small_norms,
    unscaled,
)

TOLERANCE = 1e-6  # relative: what the tables promise


def approx(expected, **options):
    """Pytest's own takes 0.0 for 1e-13, by its absolute tolerance of 1e-12."""
    return pytest.approx(expected, **{"rel": TOLERANCE, "abs": 0.0, **options})


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
    assert l2_norm(values) == approx(exact(values.tolist()))


@pytest.mark.parametrize("n", [100, 4_096, 5_000, 4_000_000])
def test_equal_entries_do_not_drift(n):
    # A float32 sum of 4 million equal squares is 1e-4 off.
    value = torch.tensor(0.1).item()
    assert l2_norm(torch.full((n,), 0.1)) == approx(value * math.sqrt(n))


def test_float32_squares_that_underflow():
    assert l2_norm(torch.full((100,), 1e-25)) == approx(1e-24)
    for value in (3e-23, 1.2e-21, 4e-20):
        assert l2_norm(torch.full((1_000_000,), value)) == approx(1000 * value)


def test_one_large_entry_among_tiny_ones():
    values = torch.full((50_000,), 1e-20)
    values[-1] = 1e-3
    assert l2_norm(values) == approx(1e-3)


def test_float32_squares_that_overflow():
    assert l2_norm(torch.full((10_000,), 1e30)) == approx(1e32)


def test_half_precision_beyond_its_own_range():
    assert l2_norm(torch.full((1_000,), 6e4, dtype=torch.float16)) == approx(6e4 * math.sqrt(1000))
    value = torch.tensor(1e-30, dtype=torch.bfloat16).item()
    assert l2_norm(torch.full((64,), 1e-30, dtype=torch.bfloat16)) == approx(8 * value)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_float64_squares_beyond_float64(scale):
    values = torch.full((10_000,), scale, dtype=torch.float64)
    assert l2_norm(values) == approx(100 * scale)


def test_complex_and_sparse():
    assert l2_norm(torch.full((9,), 3 + 4j)) == approx(15)
    sparse = torch.sparse_coo_tensor(
        [[0, 0, 2]], [3.0, 1.0, 3.0], (5,), check_invariants=True
    )  # two entries add up at 0
    assert l2_norm(sparse) == approx(5)


def test_not_contiguous():
    values = torch.arange(40_000.0).view(200, 200).t()[::2]
    assert l2_norm(values) == approx(exact(values.flatten().tolist()))


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
    assert l2_norm(torch.zeros(0, dtype=torch.float64)) == 0.0


@settings(max_examples=60, deadline=None)
@given(
    exponents=st.lists(st.floats(-38, 38), min_size=1, max_size=40),
    repeat=st.sampled_from([1, 30, 400]),
)
def test_mixed_magnitudes(exponents, repeat):
    values = torch.tensor([10.0**exponent for exponent in exponents] * repeat)
    assert l2_norm(values) == approx(exact(values.tolist()))


@pytest.mark.parametrize("value", [1e-25, 3e-23, 1e-12, 1.0, 1e30])
def test_small_tensors_taken_together_have_the_norms_of_each(value):
    tensors = [torch.full((size,), value) for size in (1, 100, 4096, 8192)] * 10  # over TOGETHER entries in all
    expected = [np.linalg.norm(tensor.double().numpy()) for tensor in tensors]
    assert l2_norms(tensors) == approx(expected)


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
    assert l2_norms(tensors) == approx(expected, nan_ok=True)


@pytest.mark.parametrize("n", [1, 100, 1024, 1025, 2100, 8192, 8193, 20_000])
def test_equal_entries_of_any_magnitude(n):
    # From 1e-19 down squares are no normal float32 numbers, from 1e-23 they are 0; from 1e17 on their sum overflows.
    columns = [torch.full((n,), 10.0**exponent) for exponent in range(-44, 39)]
    expected = [values[0].double().item() * math.sqrt(n) for values in columns]
    assert [l2_norm(values) for values in columns] == approx(expected)


@pytest.mark.parametrize("n", [1025, 8193, 9216, 10_240 + 1])
def test_the_entries_behind_the_last_whole_block_count(n):
    values = torch.zeros(n)
    values[(n - 1) // 1024 * 1024 :] = 3.0
    assert l2_norm(values) == approx(3 * math.sqrt(n - (n - 1) // 1024 * 1024))


class Reads(TorchDispatchMode):
    """Counts the entries that PyTorch's norms and copies read."""

    def __init__(self):
        super().__init__()
        self.entries = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if any(name in str(operation) for name in ("norm", "to_copy", "clone")):
            self.entries += args[0].numel()
        return operation(*args, **(kwargs or {}))


def memory_of(work):
    """Return what a function returns, and how many bytes Python and NumPy had at most for it."""
    tracemalloc.start()
    try:
        return work(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("value", [2e-15, 1e-3, 1e15])
@pytest.mark.parametrize("n", [1, 1024, 8192, 8193, 16_384, 100_001])
def test_an_ordinary_tensor_is_read_once_and_not_widened(n, value):
    values = torch.full((n,), value)
    _, size = memory_of(lambda: l2_norm(values))
    assert size < 8000 or 1024 < n <= 8192
    with Reads() as reads:
        l2_norm(values)
    assert reads.entries <= 1.01 * n if n > 8192 else reads.entries == 0


IMAGES = torch.randn(2, 32, 16, 16, generator=torch.Generator().manual_seed(0))
LAID_OUT = {  # 16,384 entries each, and whether they lie without gaps
    "channels_last": (IMAGES.to(memory_format=torch.channels_last), True),
    "transposed": (IMAGES.transpose(0, 1), True),
    "permuted": (IMAGES.permute(3, 0, 2, 1), True),
    "one channel": (IMAGES.reshape(32, 1, 32, 16).to(memory_format=torch.channels_last), True),
    "every other": (torch.cat([IMAGES, IMAGES * math.nan], dim=3)[..., :16], False),
    "expanded": (IMAGES[:, :1].expand(2, 32, 16, 16), False),
}


@pytest.mark.parametrize(("tensor", "is_dense"), LAID_OUT.values(), ids=LAID_OUT)
def test_entries_are_read_once_however_they_lie_in_memory(tensor, is_dense):
    expected = norm64(tensor)
    with Reads() as reads:
        norm = l2_norm(tensor)
    assert norm == pytest.approx(expected, rel=1e-6)
    assert reads.entries <= 1.01 * tensor.numel() * (1 if is_dense else 2)


def test_many_small_tensors_are_joined_a_mebibyte_at_a_time():
    tensors = [torch.full((1024,), float(number)) for number in range(1000)]
    norms, size = memory_of(lambda: small_norms(tensors))
    assert norms == approx([32.0 * number for number in range(1000)])
    assert 0.9 * 2**20 < size < 2 * 2**20


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_few_small_tensors(count):
    assert small_norms([torch.full((4,), number + 1.0) for number in range(count)]) == [2.0, 4.0, 6.0][:count]


class Wrapped(torch.Tensor):
    """A subclass, which may hold anything."""


SMALL_ONES = [(torch.ones(1), True), (torch.ones(8192), True), (torch.nn.Parameter(torch.ones(2)), True)]
LARGE_OR_STRANGE = [
    torch.ones(0), torch.ones(8193), torch.ones(2, dtype=torch.float64), torch.ones(2, dtype=torch.complex64),
    torch.eye(2).to_sparse(), torch.ones(2, device="meta"), torch.ones(2).as_subclass(Wrapped),
]  # fmt: skip


@pytest.mark.parametrize(("tensor", "is_one"), [*SMALL_ONES, *((tensor, False) for tensor in LARGE_OR_STRANGE)])
def test_which_tensors_are_small(tensor, is_one):
    assert is_small(tensor) is is_one


def blocked(values, dim):
    return [exact(torch.view_as_real(row).flatten().tolist() if row.is_complex() else row.flatten().tolist())
            for row in values.movedim(dim, 0)]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.complex64])
@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_norms_along_a_dimension_are_those_of_its_slices(dtype, dim, scale):
    values = (torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(dim)) * scale).to(dtype)
    norms = l2_norms_along(values, dim)
    assert norms.shape == values.shape[dim : dim + 1]
    assert norms.tolist() == approx(blocked(values, dim))


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_norms_along_a_dimension_beyond_float64(scale):
    values = torch.tensor([[3.0, 0.0], [4.0, 0.0]], dtype=torch.float64) * scale
    assert l2_norms_along(values, 1).tolist() == approx([5 * scale, 0.0])
    values[0, 1] = math.inf
    assert l2_norms_along(values, 1).tolist() == approx([5 * scale, math.inf])
    values[0, 1] = math.nan
    assert math.isnan(l2_norms_along(values, 1)[1])


def test_norms_along_a_dimension_carry_no_graph():
    values = torch.ones(2, 3, requires_grad=True)
    assert not l2_norms_along(values, 0).requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("n", [0, 1, 7, 500])
def test_what_an_accelerator_computes(dtype, n):
    """The same operations, on the CPU."""
    for exponent in (-300, -160, -30, -7, 0, 4, 30, 160, 300):
        values = torch.full((n,), 10.0**exponent, dtype=torch.float64).to(dtype)
        norm = _on_device(values)
        assert norm.shape == ()
        assert norm.item() == approx(exact(values.double().tolist()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_what_an_accelerator_computes_of_nonfinite_entries(dtype, value):
    norm = _on_device(torch.tensor([1.0, value], dtype=dtype)).item()
    assert norm == approx(value, nan_ok=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_an_accelerator_computes_of_zeros(dtype):
    assert _on_device(torch.zeros(3, dtype=dtype)).item() == 0.0


def test_on_another_device_the_norm_stays_there():
    assert l2_norm(torch.ones(3, device="meta")).device.type == "meta"


def test_half_precision_of_many_entries():
    assert l2_norm(torch.full((20_000,), 0.5, dtype=torch.float16)) == approx(0.5 * math.sqrt(20_000))


@pytest.mark.parametrize("scale", [1e-170, 1e-141, 1e-139, 1e149, 1e151, 1e170])
def test_one_float64_entry_has_its_magnitude(scale):
    assert l2_norm(torch.tensor([-scale], dtype=torch.float64)) == approx(scale, rel=1e-12)


@pytest.mark.filterwarnings("ignore:Sparse CSR")
def test_other_layouts():
    assert l2_norm(torch.diag(torch.tensor([3.0, 4.0])).to_sparse_csr()) == approx(5)
    values = torch.tensor([3 + 4j, 0.0], requires_grad=True)
    assert l2_norm(values.conj()) == approx(5)
    assert l2_norm(torch.ones(2, dtype=torch.complex64).conj().imag) == 0.0


def test_entries_that_are_not_finite_are_counted():
    values = torch.tensor([1.0, math.nan, math.inf, -math.inf])
    assert count_nonfinite(values, l2_norm(values)) == 3
    assert count_nonfinite(values, 1.0) == 0
    assert count_nonfinite(values, torch.tensor(math.nan)) == -1  # on an accelerator no value is looked at
    assert count_nonfinite(torch.tensor([complex(math.nan, math.inf), 1.0]), math.nan) == 2
    assert count_nonfinite(torch.tensor([math.inf, 1.0]).to_sparse(), math.inf) == 1


@pytest.mark.parametrize("scale", [4.0, torch.tensor(4.0)])
def test_a_loss_scale_is_divided_out(scale):
    assert unscaled(2.0, scale) == 0.5


def test_no_loss_scale_leaves_the_norm_as_it_is():
    norm = torch.tensor(2.0)
    assert unscaled(norm, 1.0) is norm
    assert isinstance(unscaled(2.0, torch.tensor(1.0)), torch.Tensor)  # whose value nobody looks at
