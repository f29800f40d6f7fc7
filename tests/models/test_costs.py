"""What networks cost, beside PyTorch's own counter and closed forms."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from gradflow.models import CATALOGUE, build, cifar_net, transformer
from gradflow.models.block_timing import COMPARED, block_rows, median_interval
from gradflow.models.costs import cost
from gradflow.reference import he2015

CIFAR = he2015()["cifar10"]["trainable_parameters_option_a_and_plain"]


def flops(net, *shape):
    """Half of what PyTorch counts: it takes a multiplication and an addition for two."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        net.eval()(torch.zeros(1, *shape, device=next(net.parameters()).device))
    return counter.get_total_flops() / 2


@pytest.mark.parametrize(
    ("model", "depth", "options"),
    [
        ("cifar", 20, {"shortcut": "B", "norm": "group"}),
        ("mini", 10, {}),
        ("resnet", 18, {}),
        ("resnet", 50, {"stride_on": "1x1"}),
        ("mlp", 5, {}),
        ("transformer", 2, {"heads": 2}),
    ],
)
def test_multiply_adds_are_half_of_pytorchs_flops(model, depth, options):
    shape, family = (3, 64, 64), CATALOGUE[model].families[1]
    with torch.device("meta" if model == "resnet" else "cpu"):
        net = build(model, depth, family=family, input_shape=shape, num_classes=10, options=options)
    net.train()
    assert cost(net, shape).multiply_adds == flops(net, *shape)


@pytest.mark.parametrize("depth", [20, 56])
def test_cifar_networks_are_the_closed_form(depth):
    n = (depth - 2) // 6
    pixels, widths = (32 * 32, 16 * 16, 8 * 8), (16, 32, 64)
    expected = pixels[0] * 27 * 16 + 64 * 10
    for size, width in zip(pixels, widths, strict=True):
        changes = width != 16
        expected += size * 9 * width * (width // 2 if changes else width) + (2 * n - 1) * size * 9 * width * width
    found = cost(cifar_net(depth), (3, 32, 32))
    assert found == (CIFAR[str(depth)], depth, expected)


def test_the_transformer_is_the_closed_form():
    tokens, width, ratio, depth = 16, 8, 3, 2
    net = transformer(depth, width=width, heads=2, mlp_ratio=ratio, patch=2, input_shape=(1, 8, 8), num_classes=5)
    block = 4 * tokens * width**2 + 2 * tokens**2 * width + 2 * ratio * tokens * width**2
    assert cost(net, (1, 8, 8)).multiply_adds == tokens * 4 * width + depth * block + 5 * width


def test_a_network_is_left_as_it_was():
    net = cifar_net(8)
    net.stage1.eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    cost(net, (3, 8, 8))
    assert modes == [module.training for module in net.modules()]
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())
    with pytest.raises(RuntimeError):
        cost(net, (4, 8, 8))
    assert modes == [module.training for module in net.modules()]
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize("n", [6, 7, 21, 50])
def test_the_medians_interval_holds_95_percent_and_a_narrower_one_does_not(n):
    from scipy.stats import binom

    found = median_interval(list(range(1, n + 1)))  # so that values are ranks
    assert found.median == (n + 1) / 2
    rank = int(found.low)
    assert (found.low, found.high, found.n) == (rank, n + 1 - rank, n)
    assert 1 - 2 * binom.cdf(rank - 1, n, 0.5) >= 0.95
    assert 1 - 2 * binom.cdf(rank, n, 0.5) < 0.95


def test_few_values_have_no_interval():
    found = median_interval([3.0, 1.0, 2.0])
    assert found.median == 2
    assert str(found.low) == str(found.high) == "nan"


def test_blocks_at_equal_width():
    before = torch.get_rng_state()
    rows = block_rows(size=8, repeats=6)
    assert torch.equal(torch.get_rng_state(), before)
    assert [(row["block"], row["in_channels"], row["out_channels"]) for row in rows] == [
        (one.block, one.in_channels, one.out_channels) for one in COMPARED
    ]
    basic, bottleneck, small, other = rows
    assert basic["parameters"] == 2 * 9 * 256**2 + 2 * 2 * 256
    assert bottleneck["parameters"] == 256 * 64 + 9 * 64**2 + 64 * 256 + 2 * (64 + 64 + 256)
    assert basic["multiply_adds"] == 64 * 2 * 9 * 256**2
    assert bottleneck["multiply_adds"] == 64 * (2 * 256 * 64 + 9 * 64**2)
    assert small["multiply_adds"] == other["multiply_adds"] == 64 * 2 * 9 * 64**2
    for row in rows:
        assert row["n"] == 6
        for name in ("forward_ms", "backward_ms", "time_ratio"):
            assert 0 < row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]
    assert bottleneck["time_ratio"] == 1


@pytest.mark.parametrize("name", ["size", "batch", "repeats"])
def test_bad_arguments_are_named(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1; got 0"):
        block_rows(**{name: 0})
