"""Forward passes against the formula, the draws, and what bad arguments are told."""

import math

import pytest
import torch

from gradflow.models import rectifier_net


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("skip", [False, True])
def test_forward_is_the_formula(skip):
    net = rectifier_net(3, width=8, norm="batch", skip=skip, generator=generator())
    x = torch.randn(16, 8)
    expected = x
    for block in net:
        centred = expected - expected.mean(0)
        normed = centred / torch.sqrt(centred.square().mean(0) + 1e-5)
        branch = torch.relu(normed) @ block.linear.weight.T
        expected = expected + branch if skip else branch
    torch.testing.assert_close(net(x), expected)


def test_weights_have_he_variance_and_the_stem_of_a_scalar_has_biases():
    net = rectifier_net(1, width=512, in_features=1, generator=generator())
    assert net.block1.linear.weight.std().item() == pytest.approx(math.sqrt(2 / 512), rel=0.01)
    assert net.block1.linear.bias is None
    assert net.stem.bias.std().item() == pytest.approx(1.0, rel=0.1)


def test_the_generator_alone_decides_and_the_global_one_stays():
    before = torch.get_rng_state()
    first, again = (rectifier_net(2, width=4, generator=generator(5)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"n_blocks": 0}, "n_blocks must be at least 1; got 0"), ({"width": 0}, "width"), ({"norm": "group"}, "norm")],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        rectifier_net(**{"n_blocks": 1, "generator": generator(), **arguments})
