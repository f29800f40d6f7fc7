"""A small transformer on images, with norms before or after the additions, or without skips."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from gradflow import theory
from gradflow.models.depths import Depths
from gradflow.models.layer_parts import ACTIVATIONS, check_counts, check_critical, one_of
from gradflow.theory import INITS, Activation, Init

TransformerFamily = Literal["pre-norm", "post-norm", "no-skip"]
TRANSFORMER_FAMILIES: tuple[TransformerFamily, ...] = ("no-skip", "pre-norm", "post-norm")
TRANSFORMER_DEPTHS = Depths("at least 1 block")
TOKEN_NORMS = ("layer", "none")
LONGEST_WAVE = 10_000.0  # of positions, as in Vaswani et al. 2017


class Attention(nn.Module):
    """Softmax attention of several heads: (batch, tokens, width) -> (batch, tokens, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return softmax(q k^T / sqrt(width / heads)) v of each head, side by side and mixed by one layer."""
        batch, tokens, width = x.shape
        split = self.query_key_value(x).view(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind()  # each (batch, heads, tokens, width / heads)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.output(mixed.transpose(1, 2).reshape(batch, tokens, width))


class TransformerBlock(nn.Module):
    """Attention, then a two-layer perceptron on each token: (batch, tokens, width) -> (batch, tokens, width)."""

    def __init__(
        self, family: TransformerFamily, width: int, heads: int, mlp_ratio: int, norm: str, activation: Activation
    ) -> None:
        super().__init__()
        self.family = family
        self.norm1 = _norm(norm, width)
        self.attention = Attention(width, heads)
        self.norm2 = _norm(norm, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_ratio * width), ACTIVATIONS[activation](), nn.Linear(mlp_ratio * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output; each family in two lines."""
        if self.family == "pre-norm":
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))
        if self.family == "post-norm":
            x = self.norm1(x + self.attention(x))
            return self.norm2(x + self.mlp(x))
        x = self.attention(self.norm1(x))
        return self.mlp(self.norm2(x))


class Transformer(nn.Module):
    """Patches, positions, blocks, mean over tokens, classifier. Build it with `transformer`."""

    positions: Tensor  # (tokens, width)

    def __init__(
        self, patches: nn.Conv2d, n_tokens: int, blocks: list[TransformerBlock], last: nn.Module, n: int
    ) -> None:
        super().__init__()
        self.patches = patches
        # No parameter: the network itself would be a weighted layer, by the rule that counts its layers.
        self.register_buffer("positions", _waves(n_tokens, patches.out_channels), persistent=False)
        self.blocks = nn.Sequential(*blocks)
        self.norm = last
        self.fc = nn.Linear(patches.out_channels, n)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (batch, num_classes) for images (batch, channels, height, width) of the size built for."""
        tokens = self.patches(images).flatten(2).transpose(1, 2)  # (batch, tokens, width)
        x = self.norm(self.blocks(tokens + self.positions))
        return self.fc(x.mean(dim=1))


def transformer(
    depth: int,
    *,
    family: TransformerFamily = "pre-norm",
    width: int = 64,
    heads: int = 4,
    mlp_ratio: int = 4,
    patch: int = 4,
    input_shape: tuple[int, int, int] = (3, 32, 32),
    num_classes: int = 10,
    norm: Literal["layer", "none"] = "layer",
    activation: Activation = "gelu",
    init: Init = "default",
) -> Transformer:
    """Build an image classifier of attention blocks (after Dosovitskiy et al. 2021, arXiv 2010.11929).

    An image is cut into squares of patch x patch pixels that do not overlap; one linear map (a convolution of that
    size and stride) makes a token of each, and its position is added as sines and cosines (Vaswani et al. 2017,
    section 3.5), numbered row by row. The classifier reads the mean over tokens.

    Parameters
    ----------
    depth : int
        Blocks, of four weighted layers each: queries, keys and values in one; output; two of the perceptron.
    family : "pre-norm", "post-norm" or "no-skip"
        x + f(norm(x)) with a norm before the classifier (Xiong et al. 2020, arXiv 2002.04745); norm(x + f(x))
        (Vaswani et al. 2017); f(norm(x)), which is pre-norm without its additions.
    width, heads, mlp_ratio : int
        Entries of a token, heads that share them, and units of the perceptron over entries of a token.
    patch : int
        Pixels of a patch's side; height and width are multiples of it.
    input_shape : three ints
        Channels, height and width of an image.
    norm : "layer" or "none"
    activation : str
        Of the perceptron; one of `gradflow.theory.ACTIVATIONS`.
    init : str
        Of all linear maps, biases 0: as in `gradflow.theory.weight_variance`. "default" is PyTorch's, with its
        biases.

    Raises
    ------
    ValueError
        An argument is out of its range; the message says which values are allowed.

    Notes
    -----
    Networks of one seed have all their weights in common, whatever the family.

    Examples
    --------
    >>> net = transformer(2, width=16, patch=4, input_shape=(1, 8, 8))
    >>> net(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 10])
    """
    TRANSFORMER_DEPTHS.check(depth)
    one_of("family", family, TRANSFORMER_FAMILIES)
    one_of("norm", norm, TOKEN_NORMS)
    one_of("activation", activation, tuple(ACTIVATIONS))
    one_of("init", init, INITS)
    check_critical(init, activation)
    _check_sizes(width, heads, mlp_ratio, patch, input_shape, num_classes)
    channels, height, across = input_shape
    patches = nn.Conv2d(channels, width, kernel_size=patch, stride=patch)
    blocks = [TransformerBlock(family, width, heads, mlp_ratio, norm, activation) for _ in range(depth)]
    last = nn.Identity() if family == "post-norm" else _norm(norm, width)  # its blocks end with one
    n_tokens = (height // patch) * (across // patch)
    net = Transformer(patches, n_tokens, blocks, last, num_classes)
    _initialise(net, init, activation)
    return net


def _check_sizes(
    width: int, heads: int, mlp_ratio: int, patch: int, input_shape: tuple[int, int, int], num_classes: int
) -> None:
    check_counts(width=width, heads=heads, mlp_ratio=mlp_ratio, patch=patch, num_classes=num_classes)
    check_heads(width, heads)
    side = math.gcd(*input_shape[1:])
    if side % patch:
        raise ValueError(
            f"patch must divide the image's {input_shape[1]} x {input_shape[2]} pixels; got {patch}. "
            f"Nearest: {_divisor(side, patch)}."
        )


def check_heads(width: int, heads: int) -> None:
    """Raise ValueError unless the heads share the entries of a token evenly."""
    if width % heads:
        raise ValueError(f"heads must divide width {width}; got {heads}. Nearest: {_divisor(width, heads)}.")


def _divisor(number: int, near: int) -> int:
    return min((one for one in range(1, number + 1) if number % one == 0), key=lambda one: abs(one - near))


def _waves(n_tokens: int, width: int) -> Tensor:
    """Return sin(t / w^(2i / width)) at even and cos at odd entries of token t, (tokens, width)."""
    entries = torch.arange(width)
    rates = LONGEST_WAVE ** (-(entries // 2 * 2) / width)
    angles = torch.arange(n_tokens)[:, None] * rates
    return torch.where(entries % 2 == 0, angles.sin(), angles.cos())


def _norm(norm: str, width: int) -> nn.Module:
    return nn.LayerNorm(width) if norm == "layer" else nn.Identity()


def _initialise(net: Transformer, init: Init, activation: Activation) -> None:
    """Draw all linear maps from the global generator, unless PyTorch's draw is asked for."""
    if init == "default":
        return
    for module in net.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            fan_in = module.weight[0].numel()
            nn.init.normal_(module.weight, 0.0, math.sqrt(theory.weight_variance(init, activation) / fan_in))
            assert module.bias is not None
            nn.init.zeros_(module.bias)
