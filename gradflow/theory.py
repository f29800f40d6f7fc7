"""Closed-form predictions of gradient decay at initialisation: no model, no data, infinitely wide layers.

phi is the activation, z a standard normal, q the variance of a pre-activation, sigma_w^2 = fan_in Var[w],
sigma_b^2 = Var[b]. delta_l is the gradient of the loss w.r.t. the output of weighted layer l, before norm and
activation, and chi = E|delta_(l-1)|^2 / E|delta_l|^2: the factor per layer is its square root.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, optimize, special

Activation = Literal["relu", "tanh", "sigmoid", "gelu"]
Init = Literal["default", "xavier", "kaiming", "kaiming-0.8", "critical"]
Norm = Literal["batch"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)
INITS: tuple[Init, ...] = get_args(Init)
NORMS: tuple[Norm | None, ...] = (None, "batch")

TOY_FACTOR = 0.8  # the textbook's constant factor per layer
# fan_in Var[w]. PyTorch's Linear draws from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), of variance 1/(3 fan_in).
WEIGHT_VARIANCE: Mapping[Init, float] = MappingProxyType(
    {"default": 1 / 3, "xavier": 1.0, "kaiming": 2.0, "kaiming-0.8": 2.0 * TOY_FACTOR**2}
)
CRITICAL_VARIANCE: Mapping[Activation, float] = MappingProxyType({"tanh": 1.0, "relu": 2.0})
REACH = 12.0  # a standard normal lies beyond it with probability 4e-33
SMALLEST_Q = 1e-12  # a variance below it counts as 0
LARGEST_Q = 1e6  # a variance above it counts as growing without bound


class _Curve(NamedTuple):
    """An activation, its derivative, and the largest weight variance whose q tends to 0 without biases."""

    value: Callable[[float], float]
    slope: Callable[[float], float]
    zero_attracts_up_to: float


_CURVES: Mapping[Activation, _Curve] = MappingProxyType(
    {
        # q -> sigma_w^2 q / 2
        "relu": _Curve(lambda x: max(x, 0.0), lambda x: float(x > 0), 2.0),
        # phi'(0) = 1, and q -> E[phi^2] is concave
        "tanh": _Curve(math.tanh, lambda x: 1.0 - math.tanh(x) ** 2, 1.0),
        # phi(0) = 1/2 is never 0
        "sigmoid": _Curve(special.expit, lambda x: special.expit(x) * special.expit(-x), 0.0),
        # E[phi^2] / q rises from 1/4 at q = 0 towards 1/2
        "gelu": _Curve(lambda x: x * special.ndtr(x), lambda x: special.ndtr(x) + x * _density(x), 2.0),
    }
)


def weight_variance(init: Init, activation: Activation) -> float:
    """Return sigma_w^2 = fan_in Var[w] of an initialisation.

    "default" is PyTorch's for `nn.Linear`, 1/3; "xavier" is 1 at constant width (Glorot & Bengio 2010);
    "kaiming" is 2 (He et al. 2015, arXiv 1502.01852) and "kaiming-0.8" has its weights scaled by 0.8;
    "critical" keeps the gradient's norm: 1 for tanh (Schoenholz et al. 2017), 2 for ReLU.

    Raises
    ------
    ValueError
        A name is unknown, or "critical" is asked for an activation other than tanh and relu.

    Examples
    --------
    >>> weight_variance("kaiming", "relu")
    2.0
    """
    check(activation=activation, init=init)
    return CRITICAL_VARIANCE[activation] if init == "critical" else WEIGHT_VARIANCE[init]


def check(*, activation: str, init: str = "default", norm: str | None = None) -> None:
    """Raise ValueError, naming what is allowed, unless each name is known and they fit each other."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}; got {activation!r}.")
    if init not in INITS:
        raise ValueError(f"init must be one of {', '.join(INITS)}; got {init!r}.")
    if norm not in NORMS:
        raise ValueError(f"norm must be None or 'batch'; got {norm!r}.")
    if init == "critical" and activation not in CRITICAL_VARIANCE:
        raise ValueError(f"init='critical' is for activation {' or '.join(CRITICAL_VARIANCE)}; got {activation!r}.")


def fixed_point(activation: Activation, weight_variance: float, bias_variance: float = 0.0) -> float:
    """Return the variance q to which pre-activations tend: q = sigma_w^2 E[phi(sqrt(q) z)^2] + sigma_b^2.

    0.0 where activations die out, inf where they grow without bound. ReLU at variance 2 keeps any q; 1.0
    stands for them all. Source: Poole et al. 2016 (arXiv 1606.05340), eq. 3.

    Examples
    --------
    >>> round(fixed_point("sigmoid", 1.0), 3)
    0.265
    """
    check(activation=activation)
    _check_variance("weight_variance", weight_variance)
    _check_variance("bias_variance", bias_variance)
    curve = _CURVES[activation]
    if activation == "relu":
        return _relu_fixed_point(weight_variance, bias_variance)
    if bias_variance == 0 and weight_variance <= curve.zero_attracts_up_to:
        return 0.0

    def growth(q: float) -> float:
        return weight_variance * _mean_square(curve.value, q) + bias_variance - q

    if growth(LARGEST_Q) > 0:
        return math.inf
    smallest = bias_variance / 2 or SMALLEST_Q  # with biases, q > sigma_b^2 / 2
    return float(optimize.brentq(growth, smallest, LARGEST_Q, xtol=1e-12)) if growth(smallest) > 0 else 0.0


def _relu_fixed_point(weight_variance: float, bias_variance: float) -> float:
    """Solve q = sigma_w^2 q / 2 + sigma_b^2."""
    if bias_variance == 0 and weight_variance == 2:
        return 1.0
    if weight_variance >= 2:
        return math.inf
    return bias_variance / (1 - weight_variance / 2)


def chi(activation: Activation, weight_variance: float, bias_variance: float = 0.0) -> float:
    """Return chi = sigma_w^2 E[phi'(sqrt(q) z)^2] at the fixed point q, without norm and skip.

    Source: Schoenholz et al. 2017 (arXiv 1611.01232), eq. 5 and section 4.1.

    Parameters
    ----------
    activation : "relu", "tanh", "sigmoid" or "gelu"
    weight_variance, bias_variance : float
        sigma_w^2 = fan_in Var[w] and sigma_b^2 = Var[b].

    Raises
    ------
    ValueError
        The activation is unknown, or a variance is negative or not finite.

    Examples
    --------
    >>> round(chi("relu", 1 / 3), 6)
    0.166667
    """
    q = fixed_point(activation, weight_variance, bias_variance)
    if activation == "relu":
        return weight_variance / 2  # phi'^2 is 1 on half of the line whatever q is
    return weight_variance * _mean_square(_CURVES[activation].slope, min(q, LARGEST_Q))


def chi_batch_norm(activation: Activation) -> float:
    """Return chi = E[phi'(z)^2] / Var[phi(z)] of a stack with batch norm before each activation.

    Whatever the weights' variance; pi / (pi - 1) for ReLU. Large batches. Source: Yang et al. 2019
    (arXiv 1902.08129), section 3.3.

    Examples
    --------
    >>> round(chi_batch_norm("relu"), 6)
    1.466942
    """
    check(activation=activation)
    curve = _CURVES[activation]
    variance = _mean_square(curve.value, 1.0) - _gaussian(curve.value) ** 2
    return _mean_square(curve.slope, 1.0) / variance


def factor_per_layer(*, activation: Activation, init: Init, norm: Norm | None = None, skip: bool = False) -> float:
    """Return the predicted E|delta_(l-1)| / E|delta_l|: below 1 gradients vanish toward the input.

    PyTorch's default initialisation is taken without its biases, whose variance 1/(3 fan_in) is 0 for wide
    layers. With `skip` around batch norm the law is a power of depth, no constant: NaN; see `profile`.

    Parameters
    ----------
    activation : "relu", "tanh", "sigmoid" or "gelu"
    init : "default", "xavier", "kaiming", "kaiming-0.8" or "critical"
    norm : None or "batch"
    skip : bool
        x + phi(norm(W x)) in place of phi(norm(W x)).

    Raises
    ------
    ValueError
        A name is unknown, or the names do not fit each other.

    Examples
    --------
    >>> round(factor_per_layer(activation="relu", init="default"), 3)
    0.408
    >>> round(factor_per_layer(activation="relu", init="kaiming", norm="batch"), 3)
    1.211
    """
    check(activation=activation, init=init, norm=norm)
    variance = weight_variance(init, activation)
    if skip:
        # Without norm |x|^2 and |g|^2 grow by 1 + sigma_w^2 / 2 a block; exact for ReLU alone.
        return math.sqrt(1 + variance / 2) if activation == "relu" and norm is None else math.nan
    return math.sqrt(chi_batch_norm(activation) if norm else chi(activation, variance))


def profile(
    depth: int, *, activation: Activation, init: Init, norm: Norm | None = None, skip: bool = False
) -> NDArray[np.float64]:
    """Return the predicted |delta_l| / |delta_(depth - 1)| of hidden layers l = 1 ... depth - 1.

    A constant factor per layer, but with `skip` and batch norm a power law. There the stream's variance over
    the batch grows by Var[phi(z)] a block, the norm in block l divides by sqrt((l - 1) Var[phi] sigma_w^2),
    and so, with a = E[phi'(z)^2] / Var[phi(z)],

        |delta_(l-1)|^2 / |delta_l|^2 = (1 + a / (l - 1)) (l - 1) / (l - 2),

    which is 1 + O(1/l) (derived as in Yang & Schoenholz 2017, arXiv 1712.08969). Its first entry is NaN: the
    first layer's norm divides by what the data give. NaN throughout where no closed form is known.

    Returns
    -------
    array of float, shape (depth - 1,)
        The last entry is 1.

    Raises
    ------
    ValueError
        `depth` is below 2, a name is unknown, or the names do not fit each other.

    Examples
    --------
    >>> profile(4, activation="relu", init="kaiming-0.8").round(3)
    array([0.64, 0.8 , 1.  ])
    """
    if depth < 2:
        raise ValueError(f"depth must be at least 2 (one hidden layer and a classifier); got {depth}.")
    if skip and norm:
        check(activation=activation, init=init, norm=norm)
        return _residual_profile(depth, chi_batch_norm(activation))
    factor = factor_per_layer(activation=activation, init=init, norm=norm, skip=skip)
    return factor ** np.arange(depth - 2, -1, -1, dtype=np.float64)


def _residual_profile(depth: int, a: float) -> NDArray[np.float64]:
    """Return the power law of `profile`: its steps multiplied up from the last hidden layer."""
    layer = np.arange(depth - 1, 2, -1, dtype=np.float64)
    squares = np.cumprod((1 + a / (layer - 1)) * (layer - 1) / (layer - 2))
    known = np.concatenate([np.sqrt(squares)[::-1], [1.0]])
    return known if depth == 2 else np.concatenate([[math.nan], known])


def toy(factor: float = TOY_FACTOR, layers: int = 20) -> NDArray[np.float64]:
    """Return factor^k for k = 0 ... layers: the gradient left after k layers of the textbook's toy.

    Raises
    ------
    ValueError
        `factor` is not positive and finite, or `layers` is negative.

    Examples
    --------
    >>> toy()[[5, 10, 15, 20]].round(6)
    array([0.32768 , 0.107374, 0.035184, 0.011529])
    """
    if not 0 < factor < math.inf:
        raise ValueError(f"factor must be positive and finite; got {factor}.")
    if layers < 0:
        raise ValueError(f"layers must be at least 0; got {layers}.")
    return np.float64(factor) ** np.arange(layers + 1)


def _check_variance(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be at least 0 and finite; got {value}.")


def _density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _mean_square(function: Callable[[float], float], q: float) -> float:
    """Return E[function(sqrt(q) z)^2]."""
    scale = math.sqrt(q)
    return _gaussian(lambda z: function(scale * z) ** 2) if q else function(0.0) ** 2


def _gaussian(function: Callable[[float], float]) -> float:
    """Return E[function(z)], the integral split at 0, where ReLU has its kink."""
    halves = [
        integrate.quad(lambda z: function(z) * _density(z), low, high, epsabs=1e-12, epsrel=1e-10)[0]
        for low, high in ((-REACH, 0.0), (0.0, REACH))
    ]
    return float(sum(halves))
