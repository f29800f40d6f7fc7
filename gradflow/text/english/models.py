"""The tables of networks and blocks, in English."""

from __future__ import annotations

from collections.abc import Mapping

MODELS: Mapping[str, str] = {
    "models.title": "Networks at their default options",
    "models.head.network": "network",
    "models.head.family": "family",
    "models.head.block": "block",
    "models.head.layers": "weighted layers",
    "models.head.parameters": "parameters",
    "models.head.multiply_adds": "multiply-adds",
    "models.head.published": "paper",
    "models.for": "{model}: images of {channels} × {height} × {width}, {classes} classes. ",
    "models.caption": (
        "Weighted layers are convolutions and linear layers; projections on skips do not count. A transformer's number "
        "is that of its blocks. Multiply-adds are for one image, without norms, activations and biases; paper: "
        "those of He et al. 2015, table 1. "
    ),
    "models.stride": (
        "Bottlenecks subsample by their 3x3 convolution, as torchvision's do. With the first 1x1 instead "
        "(stride_on=1x1), as in the paper, {counted} against the published {published}."
    ),
    "models.stride.counted": "resnet-{depth} takes {multiply_adds}",
    "models.and": " and ",
    "models.blocks.title": "Basic and bottleneck blocks, images of {size} × {size}, batch {batch}",
    "models.blocks.head.block": "block",
    "models.blocks.head.parameters": "parameters",
    "models.blocks.head.multiply_adds": "multiply-adds",
    "models.blocks.head.forward": "forward, ms",
    "models.blocks.head.backward": "backward, ms",
    "models.blocks.block": "{block} {before} → {after}",
    "models.blocks.time": "{median} ({low}–{high})",
    "models.blocks.caption": (
        "Median (95 % interval), n = {n} each, taken in turns, on {threads} of this machine's CPU. "
        "Backward: gradients of weights and input. "
    ),
    "models.blocks.caption_alone": (
        "Median, n = {n} each, too few for an interval, taken in turns, on {threads} of this machine's CPU. "
        "Backward: gradients of weights and input. "
    ),
    "threads.one": "1 thread",
    "threads.many": "{n} threads",
    "models.blocks.equal": (
        "At equal width, {width} in and {width} out, the basic block has {parameters} times the parameters of the "
        "bottleneck, {multiply_adds} times its multiply-adds, and takes {time} times as long. "
    ),
    "models.blocks.unequal": (
        "Comparing a basic block 64 → 64 with a bottleneck 64 → 256 shows no saving: {basic} and {bottleneck} "
        "parameters, {basic_adds} and {bottleneck_adds} multiply-adds. The bottleneck gives four times the channels at "
        "that price; it saves only against a basic block that gives as many."
    ),
}
