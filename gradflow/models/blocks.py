"""Building blocks of two 3x3 convolutions: plain, residual, and residual with norm and activation first.

`PlainBlock` and `ResidualBlock` hold the same layers in the same order; their forward passes differ by one addition.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from gradflow.models.layer_parts import Parts, Projection

Shortcut = Literal["A", "B"]
BATCH_RELU = Parts()  # batch norm and ReLU, as in the paper


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution with padding 1 and no bias, since a norm follows."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)


def skip(in_channels: int, out_channels: int, stride: int, *norm: nn.Module, shortcut: Shortcut = "B") -> nn.Module:
    """Return the identity; where the shape changes a projection (option B), or option A, which has no norm."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if shortcut == "A":
        return PadShortcut(in_channels, out_channels, stride)
    return Projection(in_channels, out_channels, stride, *norm)


class PlainBlock(nn.Module):
    """Two convolutions, each with norm and activation: (batch, in, h, w) -> (batch, out, h/stride, w/stride)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, parts: Parts = BATCH_RELU) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, out_channels, stride)
        self.bn1 = parts.normed(out_channels)
        self.relu1 = parts.active()
        self.conv2 = conv3x3(out_channels, out_channels)
        self.bn2 = parts.normed(out_channels)
        self.relu2 = parts.active()

    def branch(self, x: Tensor) -> Tensor:
        """Return F(x) of the paper's eq. 1, before the last activation."""
        return self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x))."""
        return self.relu2(self.branch(x))


class ResidualBlock(PlainBlock):
    """The plain block plus a shortcut around it (He et al. 2015, fig. 2 and section 3.3).

    Where the shape changes, shortcut "A" subsamples the input and pads the new channels with zeros, without parameters;
    "B" projects with a 1x1 convolution and a norm. Where it does not change, both are the identity.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        shortcut: Shortcut = "A",
        parts: Parts = BATCH_RELU,
    ) -> None:
        super().__init__(in_channels, out_channels, stride, parts)
        self.shortcut = skip(in_channels, out_channels, stride, parts.normed(out_channels), shortcut=shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + shortcut(x))."""
        return self.relu2(self.branch(x) + self.shortcut(x))


class PreactivationBlock(nn.Module):
    """Norm and activation before each convolution, nothing after the addition (He et al. 2016, fig. 4e).

    Shortcuts are as in `ResidualBlock`, but B projects what norm and activation made of the input, without a norm of
    its own (their appendix). With `first` the layer before has its own norm and activation; the block then starts with
    its convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        shortcut: Shortcut = "A",
        parts: Parts = BATCH_RELU,
        first: bool = False,
    ) -> None:
        super().__init__()
        self.bn1 = nn.Identity() if first else parts.normed(in_channels)
        self.relu1 = nn.Identity() if first else parts.active()
        self.conv1 = conv3x3(in_channels, out_channels, stride)
        self.bn2 = parts.normed(out_channels)
        self.relu2 = parts.active()
        self.conv2 = conv3x3(out_channels, out_channels)
        self.shortcut = skip(in_channels, out_channels, stride, shortcut=shortcut)

    def branch(self, active: Tensor) -> Tensor:
        """Return F of the input behind norm and activation."""
        return self.conv2(self.relu2(self.bn2(self.conv1(active))))

    def forward(self, x: Tensor) -> Tensor:
        """Return F(relu(norm(x))) + shortcut(x); a projection takes relu(norm(x)) as well."""
        active = self.relu1(self.bn1(x))
        return self.branch(active) + self.shortcut(active if isinstance(self.shortcut, Projection) else x)


class PadShortcut(nn.Module):
    """Option A: every stride-th pixel, new channels zero, no parameters."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        extra = out_channels - in_channels
        # Half of the zeros before and half after; narrower widths drop channels the same way.
        self.channel_padding = (extra // 2, extra - extra // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, out, ceil(h/stride), ceil(w/stride)) from (batch, in, h, w)."""
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.channel_padding))
