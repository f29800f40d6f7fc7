import inspect

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradflow.models import cifar_net, mini_net
from gradflow.models.blocks import PlainBlock, ResidualBlock
from gradflow.reference import he2015

CIFAR = he2015()["cifar10"]
DEPTHS = [int(depth) for depth in CIFAR["trainable_parameters_option_a_and_plain"]]


def n_parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("depth", DEPTHS)
def test_parameters_are_the_papers(depth):
    published = CIFAR["trainable_parameters_option_a_and_plain"][str(depth)]
    assert published == 97216 * ((depth - 2) // 6) - 21926
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


@pytest.mark.parametrize("family", ["plain", "residual", "preactivation"])
@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("init", ["kaiming-fan-out", "default"])
def test_weights_of_a_seed_stay_the_same(family, shortcut, init):
    """Layers are drawn in forward order as PyTorch draws them, then convolutions again; recorded runs rest on it."""
    torch.manual_seed(5)
    shapes = [(3, 16), *[(16, 16)] * 4, (16, 32), *[(32, 32)] * 3, (32, 64), *[(64, 64)] * 3]
    convs = [nn.Conv2d(*shape, 3, bias=False) for shape in shapes]
    classifier = nn.Linear(64, 10)
    for conv in convs if init == "kaiming-fan-out" else ():
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    after = torch.rand(3)

    torch.manual_seed(5)
    net = cifar_net(14, family=family, shortcut=shortcut, init=init)
    weighted = [module for module in net.modules() if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)]
    for conv, expected in zip(weighted, convs, strict=True):
        assert torch.equal(conv.weight, expected.weight)
    assert torch.equal(net.fc.weight, classifier.weight)
    assert torch.equal(net.fc.bias, classifier.bias)
    projected = [module for module in net.modules() if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)]
    for conv in projected:  # drawn after all others, not beside one of them
        for other in convs:
            pair = torch.stack([conv.weight.flatten()[:100], other.weight.flatten()[:100]])
            assert torch.corrcoef(pair)[0, 1].abs() < 0.9
    assert len(projected) == (2 if shortcut == "B" and family != "plain" else 0)
    if not projected:
        assert torch.equal(torch.rand(3), after)


@pytest.mark.parametrize("init", ["kaiming-fan-out", "default", "xavier", "kaiming", "kaiming-0.8", "critical"])
def test_convolutions_have_the_variance_of_their_initialisation(init):
    torch.manual_seed(0)
    net = cifar_net(8, widths=(64, 96, 128), shortcut="B", init=init, activation="tanh")
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 5000:
            fan_in, fan_out = (n * module.kernel_size[0] ** 2 for n in (module.in_channels, module.out_channels))
            scale = {"default": 1 / 3, "xavier": 1, "kaiming": 2, "kaiming-0.8": 2 * 0.64, "critical": 1}
            expected = 2 / fan_out if init == "kaiming-fan-out" else scale[init] / fan_in
            assert module.weight.var().item() == pytest.approx(expected, rel=0.05)
            assert module.bias is None
            if init == "default":
                assert module.weight.abs().max() <= fan_in**-0.5


@pytest.mark.parametrize(("norm", "groups"), [("group", 8), ("layer", 1), ("none", 0)])
@pytest.mark.parametrize("family", ["plain", "residual", "preactivation"])
def test_other_norms_look_at_one_image(norm, groups, family):
    net = cifar_net(8, family=family, norm=norm, widths=(16, 8, 12))
    found = [module for module in net.modules() if isinstance(module, nn.GroupNorm)]
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    assert len(found) == (7 if groups else 0)
    for module in found:
        assert module.num_groups == (4 if groups == 8 and module.num_channels == 12 else groups)
    images = torch.randn(4, 3, 8, 8)
    torch.testing.assert_close(net(images)[:2], net(images[:2]))


def test_a_forward_pass_with_another_activation_is_the_formula():
    net = cifar_net(8, family="plain", norm="none", activation="tanh")
    x = torch.randn(2, 3, 8, 8)
    y = torch.tanh(functional.conv2d(x, net.conv1.weight, padding=1))
    for stage, stride in ((net.stage1, 1), (net.stage2, 2), (net.stage3, 2)):
        y = torch.tanh(functional.conv2d(y, stage[0].conv1.weight, stride=stride, padding=1))
        y = torch.tanh(functional.conv2d(y, stage[0].conv2.weight, padding=1))
    torch.testing.assert_close(net(x), net.fc(y.mean((2, 3))))


def test_the_small_network_has_ten_layers():
    net = mini_net()
    weighted = [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(weighted) == 10
    assert [len(stage) for stage in (net.stage1, net.stage2)] == [2, 2]
    for depth in (6, 14, 18):
        assert sum(isinstance(module, nn.Conv2d | nn.Linear) for module in mini_net(depth).modules()) == depth
    assert sum(isinstance(module, ResidualBlock) for module in net.modules()) == 4
    assert n_parameters(net) == 432 + 32 + 2 * (2 * 2304 + 64) + (4608 + 9216 + 128) + (2 * 9216 + 128) + 330
    with pytest.raises(ValueError, match=r"depth must be 4n \+ 2 \(6, 10, 14, ...\); got 8. Nearest: 6, 10."):
        mini_net(8)
    with pytest.raises(ValueError, match="widths must be two positive channel counts"):
        mini_net(widths=(16, 32, 64))


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
