"""The ImageNet networks: sizes as published, families that share their layers, blocks that are their formulas."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradflow.models import resnet
from gradflow.models.blocks import PreactivationBlock
from gradflow.models.bottleneck import PreactivationBottleneck, ResidualBasic, ResidualBottleneck
from gradflow.models.costs import cost, n_parameters
from gradflow.models.resnet import STAGES
from gradflow.reference import he2015

REFERENCE = he2015()
IMAGENET = REFERENCE["imagenet"]
DEPTHS = [int(depth) for depth in IMAGENET["stages"]]
SMALL = {"stem": "small", "widths": (4, 8, 8, 12), "num_classes": 5}


def on_meta(depth, **options):
    with torch.device("meta"):
        return resnet(depth, **options)


@pytest.mark.parametrize("depth", DEPTHS)
def test_networks_are_the_papers(depth):
    kind, stages = STAGES[depth]
    assert list(stages) == IMAGENET["stages"][str(depth)]
    assert kind == IMAGENET["block"][str(depth)]
    assert (3 if kind == "bottleneck" else 2) * sum(stages) + 2 == depth
    net = on_meta(depth)
    assert n_parameters(net) == IMAGENET["trainable_parameters_option_b_1000_classes"][str(depth)]
    assert [len(getattr(net, f"layer{stage}")) for stage in range(1, 5)] == list(stages)
    found = cost(on_meta(depth, stride_on="1x1", norm="none", activation="identity"), (3, 224, 224))
    assert found.weighted_layers == depth
    published = IMAGENET["multiply_adds_table1"][str(depth)]  # printed with two or three digits
    assert found.multiply_adds == pytest.approx(published, rel=0.02)


def test_blocks_are_the_papers():
    figures = REFERENCE["blocks"]
    assert n_parameters(ResidualBasic(64, 64)) == figures["basic_64_to_64_parameters"]
    bottleneck = ResidualBottleneck(64, 256)
    assert bottleneck.conv2.out_channels == 64
    assert n_parameters(bottleneck) == figures["bottleneck_in64_mid64_out256_parameters"]


@pytest.mark.parametrize("depth", [18, 50])
def test_families_of_one_seed_share_all_weights_but_projections(depth):
    nets = []
    for family in ("plain", "residual", "preactivation"):
        torch.manual_seed(3)
        nets.append(dict(resnet(depth, family=family, **SMALL).named_modules()))
    plain, residual, preactivation = nets
    weighted = [name for name, module in plain.items() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(weighted) == depth
    for name in weighted:
        assert torch.equal(plain[name].weight, residual[name].weight), name
        assert torch.equal(plain[name].weight, preactivation[name].weight), name
    projections = [name for name, module in residual.items() if isinstance(module, nn.Conv2d) and name not in plain]
    assert len(projections) == (3 if depth == 18 else 4)
    drawn = [residual[name].weight.flatten() for name in projections]
    assert all(weight.std() > 0 for weight in drawn)
    assert not any(weight[:4].equal(plain[name].weight.flatten()[:4]) for weight in drawn for name in weighted)


def normed(x):
    return functional.batch_norm(x, None, None, training=True)


@pytest.mark.parametrize(("before", "after", "stride"), [(8, 8, 1), (8, 16, 2)])
def test_residual_bottleneck_is_its_formula(before, after, stride):
    block = ResidualBottleneck(before, after, stride)
    x = torch.randn(3, before, 7, 7)
    y = normed(functional.conv2d(x, block.conv1.weight)).relu()
    y = normed(functional.conv2d(y, block.conv2.weight, stride=stride, padding=1)).relu()
    y = normed(functional.conv2d(y, block.conv3.weight))
    skip = x if before == after else normed(functional.conv2d(x, block.downsample[0].weight, stride=stride))
    torch.testing.assert_close(block(x), (y + skip).relu())


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(("before", "after", "stride"), [(8, 8, 1), (8, 16, 2)])
def test_preactivation_is_its_formula(before, after, stride, first):
    x = torch.randn(3, before, 6, 6)
    active = x if first else normed(x).relu()

    block = PreactivationBlock(before, after, stride, "B", first=first)
    y = normed(functional.conv2d(active, block.conv1.weight, stride=stride, padding=1)).relu()
    y = functional.conv2d(y, block.conv2.weight, padding=1)
    skip = x if before == after else functional.conv2d(active, block.shortcut[0].weight, stride=stride)
    torch.testing.assert_close(block(x), y + skip)

    block = PreactivationBottleneck(before, after, stride, "1x1", first=first)
    y = normed(functional.conv2d(active, block.conv1.weight, stride=stride)).relu()
    y = normed(functional.conv2d(y, block.conv2.weight, padding=1)).relu()
    y = functional.conv2d(y, block.conv3.weight)
    skip = x if before == after else functional.conv2d(active, block.downsample[0].weight, stride=stride)
    torch.testing.assert_close(block(x), y + skip)


def test_padded_skips_pass_the_first_activation_by():
    block = PreactivationBlock(4, 8, 2, "A")
    nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 4, 6, 6)
    assert torch.equal(block(x)[:, 2:6], x[:, :, ::2, ::2])


@pytest.mark.parametrize("family", ["plain", "residual", "preactivation"])
@pytest.mark.parametrize("depth", [18, 50])
def test_small_images(depth, family):
    net = resnet(depth, family=family, in_channels=2, **SMALL)
    assert net(torch.randn(2, 2, 16, 16)).shape == (2, 5)
    assert (net.last is not None) == (family == "preactivation")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 51}, "depth must be one of 18, 34, 50, 101, 152; got 51. Nearest: 50, 101."),
        ({"depth": 1000}, "got 1000. Nearest: 152."),
        ({"family": "dense"}, "family must be one of plain, residual, preactivation; got 'dense'"),
        ({"stem": "tiny"}, "stem must be one of imagenet, small; got 'tiny'"),
        ({"stride_on": "2x2"}, "stride_on must be one of 3x3, 1x1; got '2x2'"),
        ({"widths": (64, 128)}, r"widths must be four positive .*; got \(64, 128\)"),
        ({"num_classes": 0}, "num_classes must be at least 1; got 0"),
        ({"norm": "instance"}, "norm must be one of batch, none, group, layer; got 'instance'"),
        ({"init": "critical", "activation": "gelu"}, "init='critical' is for activation relu, .*; got 'gelu'"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        resnet(**{"depth": 18, **arguments})
    assert "\n" not in str(caught.value)
