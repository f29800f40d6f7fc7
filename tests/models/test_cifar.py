import inspect

import pytest
import torch
from torch import nn

from gradflow.models import cifar_net
from gradflow.models.blocks import PlainBlock, ResidualBlock
from gradflow.reference import he2015

CIFAR = he2015()["cifar10"]
DEPTHS = [int(depth) for depth in CIFAR["trainable_parameters_option_a_and_plain"]]


def n_parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("depth", DEPTHS)
def test_parameters_are_the_papers(depth):
    published = CIFAR["trainable_parameters_option_a_and_plain"][str(depth)]
    assert n_parameters(cifar_net(depth, family="plain")) == published
    assert n_parameters(cifar_net(depth, family="residual", shortcut="A")) == published
    extra = n_parameters(cifar_net(depth, family="residual", shortcut="B")) - published
    assert extra == CIFAR["option_b_extra_parameters"]


def test_the_published_figures_are_the_papers():
    # Parameters in millions as table 6 of the paper prints them, typed from there.
    table6 = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7, 1202: 19.4}
    for depth, millions in table6.items():
        n = n_parameters(cifar_net(depth, family="plain"))
        assert round(n / 1e6, 2 if millions < 1 else 1) == millions


def test_the_families_differ_by_one_addition():
    plain = inspect.getsource(PlainBlock.forward).splitlines()[-1].strip()
    residual = inspect.getsource(ResidualBlock.forward).splitlines()[-1].strip()
    assert residual == plain.replace("self.branch(x)", "self.branch(x) + self.shortcut(x)")


def test_plain_and_residual_of_one_seed_start_from_the_same_weights():
    models = []
    for family in ("plain", "residual"):
        torch.manual_seed(3)
        models.append(cifar_net(20, family=family).state_dict())
    assert models[0].keys() == models[1].keys()
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_kaiming_fan_out():
    torch.manual_seed(0)
    for module in cifar_net(56, widths=(64, 128, 256)).modules():
        if isinstance(module, nn.Conv2d) and module.in_channels > 3:
            expected = (2 / (9 * module.out_channels)) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, rel=0.02)
            assert module.weight.mean().item() == pytest.approx(0, abs=0.02 * expected)


def test_option_a_is_subsampling_with_zero_channels():
    shortcut = ResidualBlock(4, 8, stride=2, shortcut="A").shortcut
    x = torch.randn(2, 4, 5, 5)
    y = shortcut(x)
    assert y.shape == (2, 8, 3, 3)
    assert torch.equal(y[:, 2:6], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 6:].any()
    assert not list(shortcut.parameters())


@pytest.mark.parametrize("family", ["plain", "residual"])
@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("size", [8, 28, 32, 33])
def test_any_image_size_channels_and_classes(family, shortcut, size):
    model = cifar_net(8, family=family, shortcut=shortcut, widths=(3, 5, 4), in_channels=2, num_classes=7)
    assert model(torch.randn(2, 2, size, size)).shape == (2, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 55}, r"depth must be 6n \+ 2 \(8, 14, 20, ...\); got 55. Nearest: 50, 56."),
        ({"depth": 3}, r"got 3. Nearest: 8, 14."),
        ({"depth": 20, "family": "dense"}, "family must be one of plain, residual, preactivation; got 'dense'"),
        ({"depth": 20, "shortcut": "C"}, "shortcut must be one of A, B; got 'C'"),
        ({"depth": 20, "widths": (16, 32)}, "widths must be three positive channel counts"),
        ({"depth": 20, "widths": (16, 0, 2)}, "widths must be three positive channel counts"),
        ({"depth": 20, "num_classes": 0}, "num_classes must be at least 1; got 0"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        cifar_net(**arguments)
    assert "\n" not in str(caught.value)
