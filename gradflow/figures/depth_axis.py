"""The axis of networks by depth: families side by side, ticks at measured depths, runs without a depth at its end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gradflow.figures.looks import Network
from gradflow.figures.model import Axis
from gradflow.figures.names import in_order
from gradflow.text import text

_DODGE, _MAX_SPREAD = 0.044, 0.08  # of the span of depths: families of one value are side by side; all of them
_BARE_SPAN = 20.0  # layers, where there is only one depth
_LOG_FROM = 24.0  # deepest over shallowest from which on the axis is logarithmic


class DepthAxis(NamedTuple):
    """Where networks stand: `places` of each, `span` of them all, and whether the axis is logarithmic."""

    places: Mapping[Network, float]
    span: float
    is_log: bool

    def at(self, depth: float) -> float:
        """Return a depth's place, of no family."""
        return math.log2(depth) if self.is_log else float(depth)


def depth_axis(networks: Iterable[Network], others: Iterable[int] = (), *, is_log: bool | None = None) -> DepthAxis:
    """Return where each network measured stands: at its depth, families side by side; then runs without a depth.

    `others` are further depths that are drawn. The axis is logarithmic by default where depths span enough.
    """
    keys = list(networks)
    every = sorted({*(depth for _, depth in keys if depth is not None), *others})
    if is_log is None:
        is_log = bool(every) and every[0] > 0 and every[-1] / every[0] >= _LOG_FROM
    bare = DepthAxis({}, 0.0, is_log)
    span = (bare.at(every[-1]) - bare.at(every[0]) if every else 0.0) or _BARE_SPAN
    right = bare.at(every[-1]) if every else 0.0
    families = in_order(family for family, depth in keys if depth is not None)
    dodge = min(_DODGE, _MAX_SPREAD / max(len(families) - 1, 1))
    places: dict[Network, float] = {}
    extra = 0
    for family, depth in keys:
        if depth is None:
            extra += 1
            places[family, depth] = right + span * 0.25 * extra
        else:
            places[family, depth] = bare.at(depth) + (families.index(family) - (len(families) - 1) / 2) * dodge * span
    return DepthAxis(places, span, is_log)


def described(axis: DepthAxis, others: Iterable[int] = ()) -> Axis:
    """Return the axis of the column `place`, with ticks at the depths measured and at runs without one."""
    depths = sorted({depth for _, depth in axis.places if depth is not None})
    nameless = {place: family for (family, depth), place in axis.places.items() if depth is None}
    drawn = [*axis.places.values(), *map(axis.at, others)]
    low, high = min(drawn), max(drawn)
    few = len({*depths, *map(int, others)}) + len(nameless) == 1
    margin = _BARE_SPAN / 2 if few else (0.3 if nameless else 0.08) * (high - low)
    quantity = text("figure.depth" if depths else "head.run")
    title = text("figure.log", quantity=quantity) if axis.is_log else quantity
    ticks = {axis.at(depth): str(depth) for depth in depths} | nameless
    return Axis("place", title, limits=(low - margin, high + margin), ticks=ticks)
