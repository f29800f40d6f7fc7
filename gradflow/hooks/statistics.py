"""Statistics of a layer's output, taken in the same forward hook as its gradient."""

from __future__ import annotations

import math

from torch import Tensor, nn

from gradflow.hooks.failures import OnFailure
from gradflow.hooks.norms import Scalar, l2_norm

# Activations whose zeros mean that a unit is off, and those that saturate, with the bounds beyond which an output
# lies within 1 % of its range from an end.
ZEROS = (nn.ReLU, nn.ReLU6, nn.Threshold, nn.Hardswish, nn.Softshrink, nn.Hardshrink)
SATURATES = {
    nn.Sigmoid: (0.01, 0.99),
    nn.Hardsigmoid: (0.01, 0.99),
    nn.Tanh: (-0.98, 0.98),
    nn.Softsign: (-0.98, 0.98),
}

Statistics = tuple[Scalar, Scalar, Scalar, Scalar]


def statistics(module: nn.Module, output: Tensor, on_failure: OnFailure) -> Statistics:
    """Return act_rms, act_mean, act_zero_fraction, act_saturation of a layer's output.

    The root mean square and the mean of all entries; for ReLU and its kin the fraction of entries that are exactly
    zero; for sigmoid, tanh and their kin the fraction within 1 % of the range from either end. NaN where a number
    means nothing for the layer, or cannot be computed, whose error `on_failure` receives.
    """
    values = output.detach()
    if not values.numel() or not (values.is_floating_point() or values.is_complex()):
        return (math.nan, math.nan, math.nan, math.nan)
    found: list[Scalar] = []
    for name, statistic in STATISTICS.items():
        try:
            found.append(statistic(module, values))
        except Exception as error:
            on_failure(name, error)
            found.append(math.nan)
    return found[0], found[1], found[2], found[3]


def _rms(module: nn.Module, values: Tensor) -> Scalar:
    return l2_norm(values) / math.sqrt(values.numel())


def _mean(module: nn.Module, values: Tensor) -> Scalar:
    return math.nan if values.is_complex() else _scalar((values.float() if values.itemsize < 4 else values).mean())


def _zeros(module: nn.Module, values: Tensor) -> Scalar:
    return _scalar((values == 0).float().mean()) if isinstance(module, ZEROS) else math.nan


def _saturation(module: nn.Module, values: Tensor) -> Scalar:
    bounds = _bounds(module)
    if bounds is None:
        return math.nan
    return _scalar(((values < bounds[0]) | (values > bounds[1])).float().mean())


STATISTICS = {"act_rms": _rms, "act_mean": _mean, "act_zero_fraction": _zeros, "act_saturation": _saturation}


def _bounds(module: nn.Module) -> tuple[float, float] | None:
    """Return the outputs beyond which an activation is saturated, or None if it does not saturate at both ends."""
    if isinstance(module, nn.Hardtanh) and not isinstance(module, nn.ReLU6):
        margin = 0.01 * (module.max_val - module.min_val)
        return module.min_val + margin, module.max_val - margin
    return next((bounds for kind, bounds in SATURATES.items() if isinstance(module, kind)), None)


def _scalar(value: Tensor) -> Scalar:
    """Return a float on the CPU; elsewhere the 0-d tensor, without waiting for it."""
    return value.item() if value.device.type == "cpu" else value
