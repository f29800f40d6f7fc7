"""Weights go from torchvision's networks to ours and back, and both compute the same bits."""

import copy

import pytest
import torch
import torchvision
from torch import nn

from gradflow.models import resnet
from gradflow.reference import he2015

PUBLISHED = he2015()["imagenet"]["trainable_parameters_option_b_1000_classes"]
SIZE = 64  # pixels, so that the last maps are 2 x 2


def lively(model):
    """Give batch norms numbers that are not 0 and 1, so that a mixed-up one shows."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
    return model


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_weights_interchange_with_torchvision(depth):
    torch.manual_seed(depth)
    theirs = lively(getattr(torchvision.models, f"resnet{depth}")())
    assert sum(parameter.numel() for parameter in theirs.parameters()) == PUBLISHED[str(depth)]
    ours = resnet(depth)
    ours.load_state_dict(copy.deepcopy(theirs.state_dict()), strict=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    images = torch.randn(2, 3, SIZE, SIZE)
    with torch.no_grad():
        assert torch.equal(ours.eval()(images), theirs.eval()(images))
    assert torch.equal(ours.train()(images), theirs.train()(images))  # updates running statistics as well
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor), name
    back = getattr(torchvision.models, f"resnet{depth}")()
    back.load_state_dict(ours.state_dict(), strict=True)
    with torch.no_grad():
        assert torch.equal(back.eval()(images), ours.eval()(images))


def test_gradients_are_the_same_bits():
    torch.manual_seed(0)
    theirs = lively(torchvision.models.resnet50(num_classes=5))
    ours = resnet(50, num_classes=5)
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, SIZE, SIZE)
    for model in (ours, theirs):
        nn.functional.cross_entropy(model(images), torch.tensor([0, 1])).backward()
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad), name


def test_plain_weights_are_those_without_projections():
    plain, theirs = resnet(34, family="plain").state_dict(), torchvision.models.resnet34().state_dict()
    assert theirs.keys() - plain.keys() == {name for name in theirs if ".downsample." in name}
    assert not plain.keys() - theirs.keys()


def test_the_papers_stride_is_another_network():
    ours = resnet(50, stride_on="1x1").eval()
    theirs = torchvision.models.resnet50().eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(1, 3, SIZE, SIZE)
    with torch.no_grad():
        assert not torch.allclose(ours(images), theirs(images))
