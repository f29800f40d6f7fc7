"""Building blocks: two 3x3 convolutions, with and without the addition that makes them residual.

`PlainBlock` and `ResidualBlock` hold the same layers in the same order; their forward passes differ by one addition.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

Shortcut = Literal["A", "B"]


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution with padding 1 and no bias, since batch norm follows."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)


class PlainBlock(nn.Module):
    """Two convolutions, each with batch norm and ReLU: (batch, in, h, w) -> (batch, out, h/stride, w/stride)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, out_channels, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu1 = nn.ReLU()
        self.conv2 = conv3x3(out_channels, out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu2 = nn.ReLU()

    def branch(self, x: Tensor) -> Tensor:
        """Return F(x) of the paper's eq. 1, before the last ReLU."""
        return self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x))."""
        return self.relu2(self.branch(x))


class ResidualBlock(PlainBlock):
    """The plain block plus a shortcut around it (He et al. 2015, fig. 2 and section 3.3).

    Parameters
    ----------
    shortcut : "A" or "B"
        Where the shape changes: A subsamples the input and pads the new channels with zeros, without parameters;
        B projects with a 1x1 convolution and batch norm. Where it does not change, both are the identity.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, shortcut: Shortcut = "A") -> None:
        super().__init__(in_channels, out_channels, stride)
        self.shortcut: nn.Module
        if stride == 1 and in_channels == out_channels:
            self.shortcut = nn.Identity()
        elif shortcut == "A":
            self.shortcut = PadShortcut(in_channels, out_channels, stride)
        else:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(F(x) + shortcut(x))."""
        return self.relu2(self.branch(x) + self.shortcut(x))


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
