"""The CIFAR networks of He et al. 2015 (section 4.2), of any depth 6n + 2, and a smaller one of two stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from gradflow.models.blocks import PlainBlock, PreactivationBlock, ResidualBlock, Shortcut, conv3x3
from gradflow.models.depths import Depths
from gradflow.models.layer_parts import (
    FAN_OUT,
    ImageNorm,
    Parts,
    check_counts,
    check_parts,
    initialise,
    one_of,
)
from gradflow.theory import Activation

Family = Literal["residual", "plain", "preactivation"]
FAMILIES: tuple[Family, ...] = ("plain", "residual")  # of the paper
IMAGE_FAMILIES: tuple[Family, ...] = (*FAMILIES, "preactivation")
SHORTCUTS: tuple[Shortcut, ...] = ("A", "B")
CIFAR_DEPTHS = Depths("6n + 2 (8, 14, 20, ...)", smallest=8, step=6)  # three stages of n blocks of two convolutions
MINI_DEPTHS = Depths("4n + 2 (6, 10, 14, ...)", smallest=6, step=4)  # two stages


class CifarNet(nn.Module):
    """One 3x3 convolution, stages of n two-convolution blocks, average pool, classifier.

    Build it with `cifar_net` or `mini_net`, which check the arguments.
    """

    def __init__(
        self,
        n: int,
        family: Family,
        shortcut: Shortcut,
        widths: tuple[int, ...],
        in_channels: int,
        num_classes: int,
        parts: Parts,
    ) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, widths[0])
        self.bn1 = parts.normed(widths[0])
        self.relu1 = parts.active()
        self.stages = tuple(f"stage{number}" for number in range(1, len(widths) + 1))
        for name, before, width in zip(self.stages, (0, *widths), widths, strict=False):
            self.add_module(name, _stage(n, family, shortcut, before, width, parts))
        # The paper's blocks end with an activation; those that begin with one leave the last addition bare.
        self.last = nn.Sequential(parts.normed(widths[-1]), parts.active()) if family == "preactivation" else None
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(widths[-1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (batch, num_classes) for images (batch, in_channels, height, width), any size."""
        x = self.relu1(self.bn1(self.conv1(images)))
        for name in self.stages:
            x = self.get_submodule(name)(x)
        if self.last is not None:
            x = self.last(x)
        return self.fc(self.flatten(self.pool(x)))


def _stage(n: int, family: Family, shortcut: Shortcut, before: int, width: int, parts: Parts) -> nn.Sequential:
    """Return n blocks of one width; the first changes size and width, unless no stage is before it (0)."""
    blocks: list[nn.Module] = []
    for index in range(n):
        shape = (before, width, 2) if index == 0 and before else (width, width, 1)
        if family == "plain":
            blocks.append(PlainBlock(*shape, parts))
        elif family == "residual":
            blocks.append(ResidualBlock(*shape, shortcut, parts))
        else:
            blocks.append(PreactivationBlock(*shape, shortcut, parts, first=index == 0 and not before))
    return nn.Sequential(*blocks)


def cifar_net(
    depth: int,
    *,
    family: Family = "residual",
    shortcut: Shortcut = "A",
    widths: Sequence[int] = (16, 32, 64),
    in_channels: int = 3,
    num_classes: int = 10,
    norm: ImageNorm = "batch",
    activation: Activation = "relu",
    init: str = FAN_OUT,
) -> CifarNet:
    """Build the paper's CIFAR network of a given depth, Kaiming-initialised (normal, fan out).

    Parameters
    ----------
    depth : int
        Weighted layers, 6n + 2: 8, 14, 20, 32, 44, 56, 110, ...
    family : "residual", "plain" or "preactivation"
        With and without shortcuts; the layers are the same. "preactivation": norm and activation before each
        convolution of a block, the skip free of both (He et al. 2016, arXiv 1603.05027).
    shortcut : "A" or "B"
        Nets with skips, where the shape changes: A pads with zeros (no parameters), B projects.
    widths : three ints
        Channels of the three stages.
    in_channels, num_classes : int
        Channels of the images and classes of the task. Images of any size fit.
    norm : "batch", "none", "group" or "layer"
        As in `gradflow.models.layer_parts.Parts`. Convolutions have no biases with any of them.
    activation : str
        One of `gradflow.theory.ACTIVATIONS`.
    init : str
        Of the convolutions: "kaiming-fan-out", or as in `gradflow.theory.weight_variance`. The classifier has
        PyTorch's.

    Raises
    ------
    ValueError
        An argument is out of its range; the message says which values are allowed.

    Notes
    -----
    With three input channels, ten classes and the paper's widths, plain and option A nets have 97216 n - 21926
    parameters, option B 2752 more (He et al. 2015, table 6). The paper names the initialisation of its reference 13
    (He et al. 2015b), whose fan-out form keeps the backward signal. Networks of one seed have all weights in common
    but those of projections.

    Examples
    --------
    >>> sum(p.numel() for p in cifar_net(20).parameters())
    269722
    """
    check_depth(depth)
    if len(widths) != 3 or any(width < 1 for width in widths):
        raise ValueError(f"widths must be three positive channel counts, such as 16, 32, 64; got {tuple(widths)}.")
    check_parts(norm, activation, init)
    return _net(depth // 6, family, shortcut, widths, in_channels, num_classes, Parts(norm, activation), init)


def mini_net(
    depth: int = 10,
    *,
    family: Family = "residual",
    shortcut: Shortcut = "A",
    widths: Sequence[int] = (16, 32),
    in_channels: int = 3,
    num_classes: int = 10,
    norm: ImageNorm = "batch",
    activation: Activation = "relu",
    init: str = FAN_OUT,
) -> CifarNet:
    """Build the small ResNet of ten weighted layers: one convolution, two stages of two blocks, one classifier.

    Parameters
    ----------
    depth : int
        Weighted layers, 4n + 2: 6, 10, 14, ...
    widths : two ints
        Channels of the two stages.
    family, shortcut, in_channels, num_classes, norm, activation, init
        As in `cifar_net`.

    Raises
    ------
    ValueError
        As in `cifar_net`.

    Notes
    -----
    A common exercise asks for a ResNet of ten layers with two blocks. Two blocks of two convolutions, the first
    convolution and the classifier are six layers; ten take four blocks (1 + 4 * 2 + 1), and three stages of equal
    length, 6n + 2, have 8 or 14. Read as two blocks in each of two stages it adds up, and keeps what the exercise is
    about: a skip that is the identity and one where the shape changes.

    Examples
    --------
    >>> sum(p.numel() for p in mini_net().parameters())
    42650
    """
    MINI_DEPTHS.check(depth)
    if len(widths) != 2 or any(width < 1 for width in widths):
        raise ValueError(f"widths must be two positive channel counts, such as 16, 32; got {tuple(widths)}.")
    check_parts(norm, activation, init)
    return _net(depth // 4, family, shortcut, widths, in_channels, num_classes, Parts(norm, activation), init)


def check_depth(depth: int) -> None:
    """Raise ValueError, naming the nearest two allowed depths, unless depth is 6n + 2 with n >= 1."""
    CIFAR_DEPTHS.check(depth)


def _net(
    n: int,
    family: Family,
    shortcut: Shortcut,
    widths: Sequence[int],
    in_channels: int,
    num_classes: int,
    parts: Parts,
    init: str,
) -> CifarNet:
    """Return a network of stages of n blocks, its weights drawn."""
    one_of("family", family, IMAGE_FAMILIES)
    one_of("shortcut", shortcut, SHORTCUTS)
    check_counts(in_channels=in_channels, num_classes=num_classes)
    net = CifarNet(n, family, shortcut, tuple(widths), in_channels, num_classes, parts)
    initialise(net, init, parts.activation)
    return net
