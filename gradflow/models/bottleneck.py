"""Blocks of the ImageNet networks: bottlenecks, and basic blocks whose projections have torchvision's names."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from gradflow.models.blocks import BATCH_RELU, PlainBlock, conv3x3, skip
from gradflow.models.layer_parts import Parts, Projection

EXPANSION = 4  # of a bottleneck: channels that it gives, over those of its 3x3 convolution
StrideOn = Literal["3x3", "1x1"]
STRIDES_ON: tuple[StrideOn, ...] = ("3x3", "1x1")


def conv1x1(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Return a 1x1 convolution without bias."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)


class ResidualBasic(PlainBlock):
    """`PlainBlock` with the skip called `downsample`, as torchvision calls it."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, parts: Parts = BATCH_RELU) -> None:
        super().__init__(in_channels, out_channels, stride, parts)
        self.downsample = skip(in_channels, out_channels, stride, parts.normed(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + downsample(x))."""
        return self.relu2(self.branch(x) + self.downsample(x))


class PlainBottleneck(nn.Module):
    """1x1 to fewer channels, 3x3, 1x1 to four times as many: (batch, in, h, w) -> (batch, out, h/stride, w/stride).

    `out_channels` is a multiple of 4; the 3x3 convolution has a quarter of them (He et al. 2015, fig. 5). It
    subsamples, as torchvision has it, or with `stride_on` "1x1" the first one, as the paper has it.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        stride_on: StrideOn = "3x3",
        parts: Parts = BATCH_RELU,
    ) -> None:
        super().__init__()
        inner = out_channels // EXPANSION
        first, second = (stride, 1) if stride_on == "1x1" else (1, stride)
        self.conv1 = conv1x1(in_channels, inner, first)
        self.bn1 = parts.normed(inner)
        self.relu1 = parts.active()
        self.conv2 = conv3x3(inner, inner, second)
        self.bn2 = parts.normed(inner)
        self.relu2 = parts.active()
        self.conv3 = conv1x1(inner, out_channels)
        self.bn3 = parts.normed(out_channels)
        self.relu3 = parts.active()

    def branch(self, x: Tensor) -> Tensor:
        """Return F(x), before the last activation."""
        x = self.relu1(self.bn1(self.conv1(x)))
        x = self.relu2(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x))."""
        return self.relu3(self.branch(x))


class ResidualBottleneck(PlainBottleneck):
    """The plain bottleneck plus a skip around it."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        stride_on: StrideOn = "3x3",
        parts: Parts = BATCH_RELU,
    ) -> None:
        super().__init__(in_channels, out_channels, stride, stride_on, parts)
        self.downsample = skip(in_channels, out_channels, stride, parts.normed(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + downsample(x))."""
        return self.relu3(self.branch(x) + self.downsample(x))


class PreactivationBottleneck(nn.Module):
    """The bottleneck with norm and activation before each convolution (He et al. 2016, arXiv 1603.05027).

    With `first` the layer before has its own norm and activation; the block then starts with its convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        stride_on: StrideOn = "3x3",
        parts: Parts = BATCH_RELU,
        first: bool = False,
    ) -> None:
        super().__init__()
        inner = out_channels // EXPANSION
        before, within = (stride, 1) if stride_on == "1x1" else (1, stride)
        self.bn1 = nn.Identity() if first else parts.normed(in_channels)
        self.relu1 = nn.Identity() if first else parts.active()
        self.conv1 = conv1x1(in_channels, inner, before)
        self.bn2 = parts.normed(inner)
        self.relu2 = parts.active()
        self.conv2 = conv3x3(inner, inner, within)
        self.bn3 = parts.normed(inner)
        self.relu3 = parts.active()
        self.conv3 = conv1x1(inner, out_channels)
        self.downsample = skip(in_channels, out_channels, stride)

    def branch(self, active: Tensor) -> Tensor:
        """Return F of the input behind norm and activation."""
        x = self.conv2(self.relu2(self.bn2(self.conv1(active))))
        return self.conv3(self.relu3(self.bn3(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Return F(relu(norm(x))) + downsample(x); a projection takes relu(norm(x)) as well."""
        active = self.relu1(self.bn1(x))
        return self.branch(active) + self.downsample(active if isinstance(self.downsample, Projection) else x)
