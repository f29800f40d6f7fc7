"""Closed-form predictions of gradient decay at initialisation: no model, no data, infinitely wide layers.

phi is the activation, z a standard normal, q the variance of a pre-activation, sigma_w^2 = fan_in Var[w],
sigma_b^2 = Var[b]. delta_l is the gradient of the loss w.r.t. the output of weighted layer l, before norm and
activation, and chi = E|delta_(l-1)|^2 / E|delta_l|^2: the factor per layer is its square root.
"""

from gradflow.theory.activations import CURVES, Curve, Moments, leaky_relu, moments
from gradflow.theory.criticality import Critical, critical
from gradflow.theory.initialisations import INITS, WEIGHT_VARIANCE, Activation, Init, Norm, check, weight_variance
from gradflow.theory.law import NORMS, Law, law
from gradflow.theory.predictions import (
    chi_batch_norm,
    chi_layer_norm,
    depth_below,
    factor_per_layer,
    gradient_left,
    profile,
)
from gradflow.theory.toy import TOY_FACTOR, toy
from gradflow.theory.variance import chi, fixed_point, variance_rate

ACTIVATIONS: tuple[str, ...] = tuple(CURVES)

__all__ = [
    "ACTIVATIONS",
    "CURVES",
    "INITS",
    "NORMS",
    "TOY_FACTOR",
    "WEIGHT_VARIANCE",
    "Activation",
    "Critical",
    "Curve",
    "Init",
    "Law",
    "Moments",
    "Norm",
    "check",
    "chi",
    "chi_batch_norm",
    "chi_layer_norm",
    "critical",
    "depth_below",
    "factor_per_layer",
    "fixed_point",
    "gradient_left",
    "law",
    "leaky_relu",
    "moments",
    "profile",
    "toy",
    "variance_rate",
    "weight_variance",
]
