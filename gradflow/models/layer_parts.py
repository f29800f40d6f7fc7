"""What all networks are made of, by name: activations, norms, and how weights are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import nn

from gradflow import theory
from gradflow.theory import Activation, Norm
from gradflow.theory.initialisations import BUILT_CRITICAL, INITS

ImageNorm = Literal["batch", "none", "group", "layer"]
IMAGE_NORMS: tuple[ImageNorm, ...] = ("batch", "none", "group", "layer")
GROUPS = 8  # of group norm, where the channels divide by it
FAN_OUT = "kaiming-fan-out"  # normal, variance 2 / fan_out: keeps the backward signal (He et al. 2015b, eq. 14)
IMAGE_INITS: tuple[str, ...] = (FAN_OUT, *INITS)

ACTIVATIONS: Mapping[Activation, Callable[[], nn.Module]] = MappingProxyType(
    {
        "relu": nn.ReLU,
        "leaky-relu": nn.LeakyReLU,
        "identity": nn.Identity,
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "gelu": nn.GELU,
        "silu": nn.SiLU,
        "elu": nn.ELU,
        "selu": nn.SELU,
        "softplus": nn.Softplus,
    }
)


@dataclass(frozen=True)
class Parts:
    """The norm and the activation of a network on images.

    "group" is group norm (Wu & He 2018, arXiv 1803.08494) of 8 groups, or of the largest number of them that divides
    both 8 and the channels; "layer" is group norm of one group: over channels and pixels. Both normalise image by
    image.
    """

    norm: ImageNorm = "batch"
    activation: Activation = "relu"

    def normed(self, channels: int) -> nn.Module:
        """Return a norm of (batch, channels, height, width)."""
        if self.norm == "batch":
            return nn.BatchNorm2d(channels)
        if self.norm == "none":
            return nn.Identity()
        return nn.GroupNorm(1 if self.norm == "layer" else math.gcd(GROUPS, channels), channels)

    def active(self) -> nn.Module:
        """Return an activation."""
        return ACTIVATIONS[self.activation]()


def normed(norm: Norm | None, features: int) -> nn.Module | None:
    """Return a norm of (batch, features), if one is asked for."""
    if norm is None:
        return None
    return nn.BatchNorm1d(features) if norm == "batch" else nn.LayerNorm(features)


class Projection(nn.Sequential):
    """A 1x1 convolution on a skip that changes shape, and its norm: option B of He et al. 2015.

    It is drawn beside the generator, and `initialise` draws it again after all other layers: networks with and without
    it have the other layers in common.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, *norm: nn.Module) -> None:
        with torch.random.fork_rng(devices=[]):
            conv = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)
        super().__init__(conv, *norm)


def initialise(network: nn.Module, init: str, activation: str) -> None:
    """Draw the weights of all convolutions from the global generator, those of projections last.

    `kaiming-fan-out` draws N(0, 2 / fan_out), `default` leaves PyTorch's draw and the others
    N(0, sigma_w^2 / fan_in) (`gradflow.theory.weight_variance`). Linear layers keep PyTorch's own.
    """
    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    projected = {module[0] for module in network.modules() if isinstance(module, Projection)}
    for conv in sorted(convs, key=projected.__contains__):
        if init == FAN_OUT:
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        elif init == "default":
            if conv in projected:
                conv.reset_parameters()
        else:
            fan_in = conv.weight[0].numel()
            nn.init.normal_(conv.weight, 0.0, math.sqrt(theory.weight_variance(init, activation) / fan_in))


def one_of(name: str, given: object, known: tuple[object, ...]) -> None:
    """Raise ValueError unless a name is known."""
    if given not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(str, known))}; got {given!r}.")


def check_counts(**counts: int) -> None:
    """Raise ValueError unless each count is at least 1."""
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1; got {value}.")


def check_critical(init: str, activation: str) -> None:
    """Raise ValueError unless the activation has an initialisation of this name without biases."""
    if init == "critical" and activation not in BUILT_CRITICAL:
        raise ValueError(f"init='critical' is for activation {', '.join(BUILT_CRITICAL)}; got {activation!r}.")


def check_parts(norm: str, activation: str, init: str) -> None:
    """Raise ValueError unless a network on images can be made of these names."""
    one_of("norm", norm, IMAGE_NORMS)
    one_of("activation", activation, tuple(ACTIVATIONS))
    one_of("init", init, IMAGE_INITS)
    check_critical(init, activation)
