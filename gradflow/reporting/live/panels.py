"""Several small views of one live figure: side by side in a wide place, one under the other in a narrow one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradflow.reporting.live.encodings import LogRange, figure, log_ticks
from gradflow.reporting.live.figure import Spec

_SPACING = 18  # pixels between views
_WIDEST = 1e300  # limits further apart have a ratio that is no number
_RIGHT = 16  # pixels that the last label of an axis may stand out


def side_by_side(views: Sequence[Spec], *, columns: int, labels: int, height: int) -> Spec:
    """Return a whole specification of views of one size.

    Parameters
    ----------
    views : sequence of Spec
        Each with its data's filter, layers and title.
    columns : int
        How many stand beside each other; 1 for a narrow place.
    labels : int
        Pixels that the labels of a vertical axis take; each view must keep to it (`y_extent`).
    height : int
        Pixels of one view, without its axis.
    """
    columns = min(columns, len(views))
    less = labels + (_SPACING * (columns - 1) + _RIGHT) / columns
    size: Spec = {"width": {"share": 1 / columns, "less": less}, "height": height}
    sized = [{**size, **view} for view in views]
    rows = [sized[first : first + columns] for first in range(0, len(sized), columns)]
    return figure({"vconcat": [{"hconcat": row, "spacing": _SPACING} for row in rows], "spacing": _SPACING})


def log_axis(ends: LogRange, most: int, **more: Any) -> Spec:
    """Return scale and ticks, at most so many powers, of a logarithmic axis whose limits no choice changes."""
    span = min(ends.high / ends.low, _WIDEST)
    scale = {"type": "log", "domain": [ends.low, ends.high], "nice": False}
    return {"scale": scale, "axis": log_ticks(span=f"{span:.6g}", values=ends.ticks(most), **more)}


def y_extent(labels: int) -> Spec:
    """Return what makes a vertical axis without a title as wide as `side_by_side` expects."""
    return {"minExtent": labels, "maxExtent": labels}
