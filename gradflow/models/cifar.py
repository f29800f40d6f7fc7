"""The CIFAR networks of He et al. 2015 (section 4.2), plain and residual, of any depth 6n + 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from gradflow.models.blocks import PlainBlock, ResidualBlock, Shortcut, conv3x3

Family = Literal["residual", "plain"]
FAMILIES: tuple[Family, ...] = ("plain", "residual")
SHORTCUTS: tuple[Shortcut, ...] = ("A", "B")
DEPTH_STEP = 6  # three stages of n blocks of two convolutions
DEPTH_OFFSET = 2  # the first convolution and the classifier


class CifarNet(nn.Module):
    """One 3x3 convolution, three stages of n two-convolution blocks, average pool, classifier: 6n + 2 weighted layers.

    Build it with `cifar_net`, which checks the arguments.
    """

    def __init__(
        self,
        n: int,
        family: Family,
        shortcut: Shortcut,
        widths: tuple[int, int, int],
        in_channels: int,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, widths[0])
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu1 = nn.ReLU()
        self.stage1 = _stage(n, family, shortcut, widths[0], widths[0], stride=1)
        self.stage2 = _stage(n, family, shortcut, widths[0], widths[1], stride=2)
        self.stage3 = _stage(n, family, shortcut, widths[1], widths[2], stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(widths[2], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (batch, num_classes) for images (batch, in_channels, height, width), any size."""
        x = self.relu1(self.bn1(self.conv1(images)))
        x = self.stage3(self.stage2(self.stage1(x)))
        return self.fc(self.flatten(self.pool(x)))


def _stage(
    n: int, family: Family, shortcut: Shortcut, in_channels: int, out_channels: int, stride: int
) -> nn.Sequential:
    """Return n blocks of one width; the first may change size and width."""
    blocks = []
    for index in range(n):
        shape = (in_channels, out_channels, stride) if index == 0 else (out_channels, out_channels, 1)
        blocks.append(PlainBlock(*shape) if family == "plain" else ResidualBlock(*shape, shortcut))
    return nn.Sequential(*blocks)


def cifar_net(
    depth: int,
    *,
    family: Family = "residual",
    shortcut: Shortcut = "A",
    widths: Sequence[int] = (16, 32, 64),
    in_channels: int = 3,
    num_classes: int = 10,
) -> CifarNet:
    """Build the paper's CIFAR network of a given depth, Kaiming-initialised (normal, fan out).

    Parameters
    ----------
    depth : int
        Weighted layers, 6n + 2: 8, 14, 20, 32, 44, 56, 110, ...
    family : "residual" or "plain"
        With and without shortcuts; the layers are the same.
    shortcut : "A" or "B"
        Residual nets, where the shape changes: A pads with zeros (no parameters), B projects.
    widths : three ints
        Channels of the three stages.
    in_channels, num_classes : int
        Channels of the images and classes of the task. Images of any size fit.

    Raises
    ------
    ValueError
        An argument is out of its range; the message says which values are allowed.

    Notes
    -----
    With three input channels, ten classes and the paper's widths, plain and option A nets have 97216 n - 21926
    parameters, option B 2752 more (He et al. 2015, table 6). The paper names the initialisation of its reference 13
    (He et al. 2015b), whose fan-out form keeps the backward signal.

    Examples
    --------
    >>> sum(p.numel() for p in cifar_net(20).parameters())
    269722
    """
    check_depth(depth)
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}; got {family!r}.")
    if shortcut not in SHORTCUTS:
        raise ValueError(f"shortcut must be one of {', '.join(SHORTCUTS)}; got {shortcut!r}.")
    if len(widths) != 3 or any(width < 1 for width in widths):
        raise ValueError(f"widths must be three positive channel counts, such as 16, 32, 64; got {tuple(widths)}.")
    for name, value in (("in_channels", in_channels), ("num_classes", num_classes)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1; got {value}.")
    n = (depth - DEPTH_OFFSET) // DEPTH_STEP
    return CifarNet(n, family, shortcut, (widths[0], widths[1], widths[2]), in_channels, num_classes)


def check_depth(depth: int) -> None:
    """Raise ValueError, naming the nearest two allowed depths, unless depth is 6n + 2 with n >= 1."""
    smallest = DEPTH_STEP + DEPTH_OFFSET
    if depth >= smallest and (depth - DEPTH_OFFSET) % DEPTH_STEP == 0:
        return
    below = max(smallest, depth - (depth - DEPTH_OFFSET) % DEPTH_STEP)
    above = below + DEPTH_STEP
    raise ValueError(f"depth must be 6n + 2 (8, 14, 20, ...); got {depth}. Nearest: {below}, {above}.")
