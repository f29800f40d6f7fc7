"""Initialisations by name, as variances of weights and biases."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

from gradflow.theory.activations import Curve, curve
from gradflow.theory.criticality import critical
from gradflow.theory.toy import TOY_FACTOR

# What `gradflow.models` is built of.
Activation = Literal["relu", "leaky-relu", "identity", "tanh", "sigmoid", "gelu", "silu", "elu", "selu", "softplus"]
Init = Literal["default", "xavier", "kaiming", "kaiming-0.8", "critical"]
Norm = Literal["batch", "layer"]
INITS: tuple[Init, ...] = get_args(Init)
BUILT_ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)
BUILT_NORMS: tuple[Norm | None, ...] = (None, *get_args(Norm))
# Critical without biases, which such a network has not.
BUILT_CRITICAL: tuple[Activation, ...] = ("relu", "leaky-relu", "identity", "tanh", "elu", "selu")

# fan_in Var[w]. PyTorch's Linear draws from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), of variance 1/(3 fan_in).
WEIGHT_VARIANCE: Mapping[str, float] = MappingProxyType(
    {"default": 1 / 3, "xavier": 1.0, "kaiming": 2.0, "kaiming-0.8": 2.0 * TOY_FACTOR**2}
)


def weight_variance(init: str, activation: str | Curve) -> float:
    """Return sigma_w^2 = fan_in Var[w] of an initialisation.

    "default" is PyTorch's for `nn.Linear`, 1/3; "xavier" is 1 at constant width (Glorot & Bengio 2010);
    "kaiming" is 2 (He et al. 2015, arXiv 1502.01852) and "kaiming-0.8" has its weights scaled by 0.8;
    "critical" keeps the gradient's norm, see `critical`.

    Raises
    ------
    ValueError
        A name is unknown, or the activation has no critical initialisation.

    Examples
    --------
    >>> weight_variance("kaiming", "relu")
    2.0
    """
    phi = curve(activation)
    check_init(init)
    return critical(phi).weight_variance if init == "critical" else WEIGHT_VARIANCE[init]


def check(*, activation: str, init: str = "default", norm: str | None = None) -> None:
    """Raise ValueError, naming what is allowed, unless `gradflow.models.mlp` can be built of these names."""
    if activation not in BUILT_ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(BUILT_ACTIVATIONS)}; got {activation!r}.")
    check_init(init)
    if norm not in BUILT_NORMS:
        raise ValueError(f"norm must be None, {' or '.join(map(repr, get_args(Norm)))}; got {norm!r}.")
    if init == "critical" and activation not in BUILT_CRITICAL:
        raise ValueError(f"init='critical' is for activation {', '.join(BUILT_CRITICAL)}; got {activation!r}.")


def check_init(init: str) -> None:
    """Raise ValueError unless the initialisation is known."""
    if init not in INITS:
        raise ValueError(f"init must be one of {', '.join(INITS)}; got {init!r}.")
