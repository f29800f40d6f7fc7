"""The axis of networks by depth: families side by side, ticks at measured depths, runs without a depth at its end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from matplotlib.axes import Axes

from gradflow.figures.names import in_order, shorten
from gradflow.plots import style
from gradflow.plots.measure import text_width
from gradflow.text import text

_DODGE = 0.02  # of the span of depths: families that share a value stay visible side by side
_BARE_SPAN = 20.0  # layers, where there is only one depth
_LOG_FROM = 24.0  # deepest over shallowest from which on the axis is logarithmic
_TICK_GAP = 0.09  # inches between the names of two ticks
_NAME_LENGTH = 14  # characters of a run without a depth


class DepthAxis(NamedTuple):
    """Where networks stand: `places` of each, `span` of them all, and whether the axis is logarithmic."""

    places: Mapping[style.Network, float]
    span: float
    is_log: bool

    def at(self, depth: float) -> float:
        """Return a depth's place, of no family."""
        return math.log2(depth) if self.is_log else float(depth)


def depth_axis(networks: Iterable[style.Network], others: Iterable[int] = ()) -> DepthAxis:
    """Return where each network stands: at its depth, families side by side; then runs without a depth.

    Parameters
    ----------
    networks : iterable of (family, depth)
        Those measured.
    others : iterable of int
        Further depths that are drawn.
    """
    keys = list(networks)
    every = sorted({*(depth for _, depth in keys if depth is not None), *others})
    is_log = bool(every) and every[0] > 0 and every[-1] / every[0] >= _LOG_FROM
    bare = DepthAxis({}, 0.0, is_log)
    span = (bare.at(every[-1]) - bare.at(every[0]) if every else 0.0) or _BARE_SPAN
    right = bare.at(every[-1]) if every else 0.0
    families = in_order(family for family, depth in keys if depth is not None)
    dodge = min(_DODGE, 4 * _DODGE / max(len(families) - 1, 1))
    places: dict[style.Network, float] = {}
    extra = 0
    for family, depth in keys:
        if depth is None:
            extra += 1
            places[family, depth] = right + span * 0.25 * extra
        else:
            places[family, depth] = bare.at(depth) + (families.index(family) - (len(families) - 1) / 2) * dodge * span
    return DepthAxis(places, span, is_log)


def draw_depths(ax: Axes, axis: DepthAxis, note: str, others: Iterable[int] = ()) -> None:
    """Put ticks at the depths measured, thinned where they would overlap, and at runs without a depth."""
    depths = sorted({depth for _, depth in axis.places if depth is not None})
    nameless = {family: place for (family, depth), place in axis.places.items() if depth is None}
    drawn = [*axis.places.values(), *map(axis.at, others)]
    low, high = min(drawn), max(drawn)
    few = len({*depths, *map(int, others)}) + len(nameless) == 1
    margin = _BARE_SPAN / 2 if few else (0.3 if nameless else 0.08) * (high - low)
    ax.set_xlim(low - margin, high + margin)
    per_inch = (high - low + 2 * margin) / (ax.get_window_extent().width / ax.figure.dpi)
    kept = list(_thinned(depths, axis, per_inch))
    names = [*map(str, kept), *(shorten(name, _NAME_LENGTH) for name in nameless)]
    ax.set_xticks([*map(axis.at, kept), *nameless.values()], names)
    quantity = text("figure.depth" if depths else "head.run")
    ax.set_xlabel(f"{text('figure.log', quantity=quantity) if axis.is_log else quantity}\n{note}")


def _thinned(depths: list[int], axis: DepthAxis, per_inch: float) -> Iterator[int]:
    """Yield depths whose names do not touch, the first and the last among them."""
    last: int | None = None
    for depth in depths:
        is_free = last is None or _apart(last, depth, axis, per_inch)
        if depth == depths[-1] or (is_free and _apart(depth, depths[-1], axis, per_inch)):
            yield depth
            last = depth


def _apart(first: int, second: int, axis: DepthAxis, per_inch: float) -> bool:
    half = (text_width(str(first), style.TICK_SIZE) + text_width(str(second), style.TICK_SIZE)) / 2
    return axis.at(second) - axis.at(first) >= (half + _TICK_GAP) * per_inch
