"""What is left of a gradient against the layers it has passed, and the depth at which a bound is crossed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradflow.theory.gaussian import Floats

ONE_BY_ONE = 128  # layers at which a path is known one by one; from there on in strides of a twelfth of the depth
STRIDES_UP_TO = 1e6  # layers


@dataclass(frozen=True)
class Path:
    """ln of what is left of |delta| after `layers` layers on the way to the input, known at some depths.

    Between two of them, and beyond the last, a straight line in ln(layers) is taken; beyond the last a line in
    layers, where a `rate` per layer is given, as of a factor that has come to rest.
    """

    layers: Floats
    logs: Floats
    rate: float | None = None

    def at(self, layers: int) -> float:
        """Return ln of what is left after so many layers."""
        if layers == 0:
            return 0.0
        last = float(self.layers[-1])
        if layers <= last:
            return float(np.interp(math.log(layers), np.log(self.layers), self.logs))
        if self.rate is not None:
            return float(self.logs[-1]) + self.rate * (layers - last)
        return float(self.logs[-1]) + self._power * math.log(layers / last)

    def first_beyond(self, goal: float) -> float:
        """Return after how many layers ln of what is left is first beyond a goal, as seen from 0; inf if never."""
        sign = math.copysign(1.0, goal)
        beyond = np.flatnonzero(sign * self.logs > sign * goal)
        if not len(beyond):
            return self._extrapolated(goal)
        found = int(beyond[0])
        if found == 0 or self.layers[found] - self.layers[found - 1] == 1:
            return float(self.layers[found])
        share = (goal - self.logs[found - 1]) / (self.logs[found] - self.logs[found - 1])
        ends = np.log(self.layers[found - 1 : found + 1])
        return whole(math.exp(ends[0] + share * (ends[1] - ends[0])))

    @property
    def _power(self) -> float:
        """Slope of the last piece in ln(layers)."""
        return float((self.logs[-1] - self.logs[-2]) / math.log(self.layers[-1] / self.layers[-2]))

    def _extrapolated(self, goal: float) -> float:
        missing, last = goal - float(self.logs[-1]), float(self.layers[-1])
        slope = self._power if self.rate is None else self.rate
        if slope * goal <= 0:
            return math.inf
        if self.rate is not None:
            return whole(last + missing / slope)
        return whole(last * math.exp(missing / slope)) if missing / slope < 700 else math.inf


def constant(factor: float) -> Path:
    """Return the path of one factor for each layer."""
    rate = math.log(factor) if factor else -math.inf
    return Path(np.array([1.0]), np.array([rate]), rate)


def strided(*, stop: float = STRIDES_UP_TO) -> Floats:
    """Return 1 ... `ONE_BY_ONE`, and from there to `stop` by strides of a twelfth."""
    layers = [float(layer) for layer in range(1, ONE_BY_ONE + 1)]
    while layers[-1] < stop:
        layers.append(layers[-1] + math.floor(layers[-1] / 12))
    return np.array(layers)


def whole(layers: float) -> float:
    """Return the first whole number above: where a bound is met to the last digit, it is not yet crossed."""
    return math.floor(layers * (1 + 1e-12)) + 1.0
