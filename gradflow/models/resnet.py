"""The ImageNet networks of He et al. 2015 (table 1): ResNet-18, 34, 50, 101, 152, plain and with pre-activation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Literal

from torch import Tensor, nn

from gradflow.models.blocks import PlainBlock, PreactivationBlock, conv3x3
from gradflow.models.bottleneck import (
    EXPANSION,
    STRIDES_ON,
    PlainBottleneck,
    PreactivationBottleneck,
    ResidualBasic,
    ResidualBottleneck,
    StrideOn,
)
from gradflow.models.cifar import IMAGE_FAMILIES, Family
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

Stem = Literal["imagenet", "small"]
STEMS: tuple[Stem, ...] = ("imagenet", "small")
Block = Literal["basic", "bottleneck"]
STAGES: Mapping[int, tuple[Block, tuple[int, int, int, int]]] = MappingProxyType(
    {
        18: ("basic", (2, 2, 2, 2)),
        34: ("basic", (3, 4, 6, 3)),
        50: ("bottleneck", (3, 4, 6, 3)),
        101: ("bottleneck", (3, 4, 23, 3)),
        152: ("bottleneck", (3, 8, 36, 3)),
    }
)
RESNET_DEPTHS = Depths(f"one of {', '.join(map(str, STAGES))}", few=tuple(STAGES))
MakeBlock = Callable[..., nn.Module]
BASIC: Mapping[Family, MakeBlock] = MappingProxyType(
    {"plain": PlainBlock, "residual": ResidualBasic, "preactivation": partial(PreactivationBlock, shortcut="B")}
)
BOTTLENECK: Mapping[Family, MakeBlock] = MappingProxyType(
    {"plain": PlainBottleneck, "residual": ResidualBottleneck, "preactivation": PreactivationBottleneck}
)


class ResNet(nn.Module):
    """A stem, four stages of blocks, average pool, classifier. Build it with `resnet`, which checks the arguments.

    Parameters and buffers have torchvision's names; plain nets lack the projections.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[nn.Module]],
        stem: Stem,
        in_channels: int,
        channels: tuple[int, int],
        num_classes: int,
        parts: Parts,
        *,
        ends_bare: bool,
    ) -> None:
        super().__init__()
        first, last = channels
        if stem == "imagenet":
            self.conv1 = nn.Conv2d(in_channels, first, kernel_size=7, stride=2, padding=3, bias=False)
        else:
            self.conv1 = conv3x3(in_channels, first)
        self.bn1 = parts.normed(first)
        self.relu = parts.active()
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1) if stem == "imagenet" else nn.Identity()
        self.layer1, self.layer2, self.layer3, self.layer4 = (nn.Sequential(*blocks) for blocks in stages)
        self.last = nn.Sequential(parts.normed(last), parts.active()) if ends_bare else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(last, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (batch, num_classes) for images (batch, in_channels, height, width)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        if self.last is not None:
            x = self.last(x)
        return self.fc(self.flatten(self.avgpool(x)))


def _stages(
    depth: int, family: Family, widths: Sequence[int], stride_on: StrideOn, parts: Parts
) -> tuple[list[list[nn.Module]], int]:
    """Return the blocks of each stage, and the channels that the last gives."""
    kind, lengths = STAGES[depth]
    make = partial(BASIC[family], parts=parts)
    if kind == "bottleneck":
        make = partial(BOTTLENECK[family], stride_on=stride_on, parts=parts)
    stages: list[list[nn.Module]] = []
    before = widths[0]
    for number, (length, width) in enumerate(zip(lengths, widths, strict=True)):
        out = width * EXPANSION if kind == "bottleneck" else width
        is_start = family == "preactivation" and number == 0
        start = make(before, out, 1 if number == 0 else 2, **({"first": True} if is_start else {}))
        stages.append([start, *(make(out, out) for _ in range(length - 1))])
        before = out
    return stages, before


def resnet(
    depth: int,
    *,
    family: Family = "residual",
    stem: Stem = "imagenet",
    stride_on: StrideOn = "3x3",
    widths: Sequence[int] = (64, 128, 256, 512),
    in_channels: int = 3,
    num_classes: int = 1000,
    norm: ImageNorm = "batch",
    activation: Activation = "relu",
    init: str = FAN_OUT,
) -> ResNet:
    """Build the paper's ImageNet network of a given depth; its state dict is interchangeable with torchvision's.

    Parameters
    ----------
    depth : int
        Weighted layers: 18 and 34 of basic blocks, 50, 101 and 152 of bottlenecks. Projections do not count.
    family : "residual", "plain" or "preactivation"
        As in `gradflow.models.cifar_net`. Where the shape changes, skips project (option B).
    stem : "imagenet" or "small"
        7x7 convolution of stride 2 and max pool, or a 3x3 convolution of stride 1 for images of some 32 pixels.
    stride_on : "3x3" or "1x1"
        The convolution of a bottleneck that subsamples: the 3x3 one, as in torchvision, or the first 1x1, as in
        the paper.
    widths : four ints
        Channels of the 3x3 convolutions of the four stages; bottlenecks give four times as many.
    in_channels, num_classes, norm, activation, init
        As in `gradflow.models.cifar_net`.

    Raises
    ------
    ValueError
        An argument is out of its range; the message says which values are allowed.

    Examples
    --------
    >>> sum(p.numel() for p in resnet(18).parameters())
    11689512
    """
    RESNET_DEPTHS.check(depth)
    one_of("family", family, IMAGE_FAMILIES)
    one_of("stem", stem, STEMS)
    one_of("stride_on", stride_on, STRIDES_ON)
    if len(widths) != 4 or any(width < 1 for width in widths):
        raise ValueError(
            f"widths must be four positive channel counts, such as 64, 128, 256, 512; got {tuple(widths)}."
        )
    check_counts(in_channels=in_channels, num_classes=num_classes)
    check_parts(norm, activation, init)
    parts = Parts(norm, activation)
    stages, last = _stages(depth, family, widths, stride_on, parts)
    channels = (widths[0], last)
    net = ResNet(stages, stem, in_channels, channels, num_classes, parts, ends_bare=family == "preactivation")
    initialise(net, init, activation)
    return net
