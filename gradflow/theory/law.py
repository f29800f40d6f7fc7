"""What theory says of one setting: activation, initialisation, norm, skip."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from gradflow.theory.activations import FAR, Curve, Moments, curve, half_square, moments
from gradflow.theory.criticality import critical
from gradflow.theory.gaussian import Floats
from gradflow.theory.initialisations import WEIGHT_VARIANCE, check_init
from gradflow.theory.path import ONE_BY_ONE, STRIDES_UP_TO, Path, constant, strided
from gradflow.theory.steps import normed_skip, unnormed
from gradflow.theory.variance import SAME, fixed_point, variance_rate

Shape = Literal["flat", "exponential", "power law", "stretched"]
Trend = Literal["flat", "vanishes", "explodes"]
NORMS: tuple[str | None, ...] = (None, "batch", "layer")
NORMED = 4096  # layers that are summed with norm and skip; beyond, the power is the law's to 1 in 4096
HALF_ATTRACTS = 1e-4  # a variance's rate this near to 1: deviations from the fixed point die out as a power of depth
LARGEST_LOG = 709.0


@dataclass(frozen=True)
class Law:
    """The law of one setting, from `law`.

    Attributes
    ----------
    activation : Curve
    init, norm, skip
        As given.
    weight_variance, bias_variance : float
        sigma_w^2 = fan_in Var[w], sigma_b^2 = Var[b].
    q : float
        Variance of pre-activations deep inside, after the norm if there is one. 0: they die out. inf: they grow.
    chi : float
        To which |delta_(l-1)|^2 / |delta_l|^2 tends with depth; `factor` is its root.
    shape : "flat", "exponential", "power law" or "stretched"
        Of |delta| over depth; stretched is exp(c sqrt(depth)).
    trend : "flat", "vanishes" or "explodes"
        Toward the input.
    source : str
        Key of the source: schoenholz, he, batch, layer, skip or normed_skip.
    """

    activation: Curve
    init: str
    norm: str | None
    skip: bool
    weight_variance: float
    bias_variance: float
    q: float
    chi: float
    shape: Shape
    trend: Trend
    source: str

    @property
    def factor(self) -> float:
        """To which |delta_(l-1)| / |delta_l| tends with depth."""
        return math.sqrt(self.chi)

    @cached_property
    def is_constant(self) -> bool:
        """Whether the factor is the same in each layer (without norm: once variances have settled)."""
        if self.skip:
            return self.norm is None and self.activation.is_linear_by_halves
        return self.shape in ("flat", "exponential")

    @cached_property
    def path(self) -> Path:
        """What is left of |delta| against layers passed.

        Where the factor changes with depth the way ends at the first layer; with norm and skip at the second,
        as the first one's norm divides by what the data give.
        """
        if self.is_constant:
            return constant(self.factor)
        variances = (self.weight_variance, self.bias_variance)
        if self.norm is not None:
            logs = normed_skip(self.activation, self.norm, *variances, NORMED)
            return Path(np.arange(1.0, NORMED + 1), logs)
        is_exponential = self.shape == "exponential"
        layers = strided(stop=ONE_BY_ONE if is_exponential else STRIDES_UP_TO)
        logs = unnormed(self.activation, *variances, layers, skip=self.skip)
        return Path(layers, logs, math.log(self.factor) if is_exponential else None)

    def left(self, layers: int) -> float:
        """Return |delta| after so many layers on the way to the input, relative to where it set out."""
        if layers < 0:
            raise ValueError(f"layers must be at least 0; got {layers}.")
        return exp(self.path.at(layers))

    def depth_beyond(self, bound: float) -> float:
        """Return after how many layers |delta| is first below a bound under 1, or above one over 1.

        inf where it never is. Exact up to 128 layers, and everywhere if `is_constant`; deeper to 3 %. Raises ValueError
        where the bound is not positive and finite, or is 1.
        """
        if not 0 < bound < math.inf or bound == 1:
            raise ValueError(f"bound must be positive, finite and not 1; got {bound}.")
        return math.inf if self.shape == "flat" else self.path.first_beyond(math.log(bound))

    def profile(self, depth: int) -> Floats:
        """Return |delta_l| / |delta_(depth - 1)| of hidden layers l = 1 ... depth - 1; see `theory.profile`."""
        if depth < 2:
            raise ValueError(f"depth must be at least 2 (one hidden layer and a classifier); got {depth}.")
        n, variances = depth - 2, (self.weight_variance, self.bias_variance)
        if self.is_constant:
            kept: Floats = np.power(self.factor, np.arange(n, -1.0, -1.0))
            return kept
        if self.norm is None:
            sums = np.append(0.0, unnormed(self.activation, *variances, np.arange(1.0, n + 1), skip=self.skip))
            falling: Floats = np.exp(sums[-1] - sums)
            return falling
        known = np.append(0.0, normed_skip(self.activation, self.norm, *variances, n - 1)) if n else np.zeros(0)
        return np.append(math.nan, np.exp(known[-1] - known)) if n else np.ones(1)


def law(*, activation: str | Curve, init: str, norm: str | None = None, skip: bool = False) -> Law:
    """Return what theory says of a wide network at initialisation.

    PyTorch's default initialisation is taken without its biases, whose variance 1/(3 fan_in) is 0 for wide
    layers. Batches are large. Inputs have mean square 1.

    Parameters
    ----------
    activation : str or Curve
        A name in `ACTIVATIONS`, `leaky_relu(slope)`, or a curve of your own.
    init : "default", "xavier", "kaiming", "kaiming-0.8" or "critical"
        See `weight_variance` and `critical`.
    norm : None, "batch" or "layer"
        Between weights and activation.
    skip : bool
        x + phi(norm(W x)) in place of phi(norm(W x)).

    Raises
    ------
    ValueError
        A name is unknown, or the activation has no critical initialisation.

    Examples
    --------
    >>> found = law(activation="tanh", init="default")
    >>> round(found.factor, 3), found.shape, found.trend, found.depth_beyond(1e-3)
    (0.577, 'exponential', 'vanishes', 13.0)
    """
    phi = curve(activation)
    check_init(init)
    if norm not in NORMS:
        raise ValueError(f"norm must be None, 'batch' or 'layer'; got {norm!r}.")
    weights, biases = critical(phi)[:2] if init == "critical" else (WEIGHT_VARIANCE[init], 0.0)
    make = _with_skip if skip else _without_skip
    return Law(phi, init, norm, skip, weights, biases, *make(phi, norm, weights, biases))


_Found = tuple[float, float, Shape, Trend, str]


def _without_skip(phi: Curve, norm: str | None, weight_variance: float, bias_variance: float) -> _Found:
    """Return q, chi, shape, trend and source of phi(norm(W x))."""
    if norm is not None:
        chi = _normed_chi(moments(phi, 1.0), norm, weight_variance, bias_variance)
        return 1.0, chi, *_of_constant(chi), norm
    q = fixed_point(phi, weight_variance, bias_variance)
    chi = weight_variance * moments(phi, q).slope_square
    shape, trend = _of_constant(chi)
    if phi.is_linear_by_halves:
        return q, chi, shape, trend, "he"
    settles_slowly = math.isclose(variance_rate(phi, weight_variance, q), 1.0, abs_tol=HALF_ATTRACTS)
    if shape == "flat" and settles_slowly:
        # Without a fixed point q grows as depth and chi - 1 falls as its root, which sums up to a root.
        shape = "stretched" if math.isinf(q) else "power law"
        at_start = weight_variance * moments(phi, weight_variance + bias_variance).slope_square
        trend = "vanishes" if at_start < 1 else "explodes"
    return q, chi, shape, trend, "schoenholz"


def _with_skip(phi: Curve, norm: str | None, weight_variance: float, bias_variance: float) -> _Found:
    """Return q, chi, shape, trend and source of x + phi(norm(W x)), whose stream grows from layer to layer."""
    if norm is not None:
        return 1.0, 1.0, "power law", "explodes", "normed_skip"
    chi = 1 + weight_variance * half_square(phi.at_infinity)
    if chi > 1:
        return math.inf, chi, "exponential", "explodes", "skip"
    # Bounded: |x|^2 grows as depth, or as its square where the mean is not 0, and E[phi'^2] falls as 1/|x|.
    low, high = phi.value(np.array([-FAR, FAR]))
    shape: Shape = "stretched" if math.isclose(low, -high, rel_tol=SAME) else "power law"
    return math.inf, 1.0, shape, "explodes", "skip"


def _normed_chi(found: Moments, norm: str, weight_variance: float, bias_variance: float) -> float:
    """Return E[phi'(z)^2] over the variance of W x / sigma_w that the next norm divides by."""
    spread = found.variance if norm == "batch" else found.mean_square + bias_variance / weight_variance
    return found.slope_square / spread


def _of_constant(chi: float) -> tuple[Shape, Trend]:
    """Return shape and trend of a constant factor."""
    if math.isclose(chi, 1.0, rel_tol=SAME):
        return "flat", "flat"
    return "exponential", "vanishes" if chi < 1 else "explodes"


def exp(logarithm: float) -> float:
    """Return e to the logarithm, inf where no float holds it."""
    return math.inf if logarithm > LARGEST_LOG else math.exp(logarithm)
