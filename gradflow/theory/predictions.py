"""Predictions by the names of a setting, as in `law`: factor per layer, profile, what is left, how deep is too deep."""

from __future__ import annotations

import math

from gradflow.theory.activations import Curve, curve, moments
from gradflow.theory.gaussian import Floats
from gradflow.theory.law import law


def chi_batch_norm(activation: str | Curve) -> float:
    """Return chi = E[phi'(z)^2] / Var[phi(z)] of a stack with batch norm before each activation.

    Whatever the weights' variance; pi / (pi - 1) for ReLU. Large batches. Source: Yang et al. 2019
    (arXiv 1902.08129), section 3.3.

    Examples
    --------
    >>> round(chi_batch_norm("relu"), 6)
    1.466942
    """
    found = moments(curve(activation), 1.0)
    return found.slope_square / found.variance


def chi_layer_norm(activation: str | Curve) -> float:
    """Return chi = E[phi'(z)^2] / E[phi(z)^2] of a stack with layer norm before each activation, without biases.

    Whatever the weights' variance; 1 for ReLU. The norm divides by the root of sigma_w^2 E[phi^2], the mean
    square of W x over units, where batch norm divides by the variance over the batch. The part of the gradient
    that a norm takes out is one direction of many.

    Examples
    --------
    >>> chi_layer_norm("relu")
    1.0
    """
    found = moments(curve(activation), 1.0)
    return found.slope_square / found.mean_square


def factor_per_layer(*, activation: str | Curve, init: str, norm: str | None = None, skip: bool = False) -> float:
    """Return the predicted E|delta_(l-1)| / E|delta_l|: below 1 gradients vanish toward the input.

    Where it changes with depth without `skip` (tanh, "critical"), what it tends to: 1. NaN with `skip`, unless
    there is no norm and the activation is a line on either side of 0, as ReLU is; see `profile` and `law`.

    Raises
    ------
    ValueError
        A name is unknown, or the activation has no critical initialisation.

    Examples
    --------
    >>> round(factor_per_layer(activation="relu", init="default"), 3)
    0.408
    >>> round(factor_per_layer(activation="relu", init="kaiming", norm="batch"), 3)
    1.211
    """
    found = law(activation=activation, init=init, norm=norm, skip=skip)
    return found.factor if found.is_constant or not skip else math.nan


def profile(depth: int, *, activation: str | Curve, init: str, norm: str | None = None, skip: bool = False) -> Floats:
    """Return the predicted |delta_l| / |delta_(depth - 1)| of hidden layers l = 1 ... depth - 1.

    A constant factor per layer where there is one. Otherwise layer by layer: with `skip` and a norm the power law

        |delta_(l-1)|^2 / |delta_l|^2 = (1 + a / (l - 1)) (l - 1) / (l - 2),  a = E[phi'(z)^2] / Var[phi(z)],

    for batch norm, and alike for layer norm (derived as in Yang & Schoenholz 2017, arXiv 1712.08969), whose
    first entry is NaN: the first layer's norm divides by what the data give. At chi = 1 without norm (tanh,
    "critical"), and with `skip` without norm, from inputs of mean square 1 on.

    Parameters
    ----------
    depth : int
        Weighted layers, the classifier included; at least 2.

    Returns
    -------
    array of float, shape (depth - 1,)
        The last entry is 1.

    Raises
    ------
    ValueError
        `depth` is below 2, a name is unknown, or the activation has no critical initialisation.

    Examples
    --------
    >>> profile(4, activation="relu", init="kaiming-0.8").round(3)
    array([0.64, 0.8 , 1.  ])
    """
    return law(activation=activation, init=init, norm=norm, skip=skip).profile(depth)


def gradient_left(
    layers: int, *, activation: str | Curve, init: str, norm: str | None = None, skip: bool = False
) -> float:
    """Return what is left of the gradient's norm after so many layers: 1 if it is kept.

    Parameters
    ----------
    layers : int
        Layers passed, at least 0.

    Examples
    --------
    >>> round(gradient_left(20, activation="relu", init="kaiming-0.8"), 6)
    0.011529
    """
    return law(activation=activation, init=init, norm=norm, skip=skip).left(layers)


def depth_below(
    bound: float, *, activation: str | Curve, init: str, norm: str | None = None, skip: bool = False
) -> float:
    """Return after how many layers the gradient's norm is first below a bound; for a bound over 1, above it.

    inf where it never is. See `Law.depth_beyond` for how far this is exact.

    Parameters
    ----------
    bound : float
        Relative to where the gradient set out: 1e-3, or 1e3 for growth.

    Examples
    --------
    >>> depth_below(1e-3, activation="relu", init="default")
    8.0
    >>> depth_below(1e3, activation="relu", init="default", norm="batch")
    37.0
    """
    return law(activation=activation, init=init, norm=norm, skip=skip).depth_beyond(bound)
