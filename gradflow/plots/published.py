"""Errors that others published, and curves that only illustrate, beside what was measured: never joined with it."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradflow.analysis.published import ILLUSTRATIVE, PUBLISHED
from gradflow.figures.names import in_order, shorten
from gradflow.plots import style
from gradflow.plots.depth_axis import DepthAxis
from gradflow.text import text

_COLUMNS = ("family", "depth", "error", "source", "kind", "measure")
_SOURCE = "gradflow.analysis.published"
_SIZE = 7.0  # points: larger than what was measured, which stays visible inside
_SOURCE_LENGTH = 44  # characters


def of_measure(frame: pd.DataFrame | None, measure: str) -> pd.DataFrame:
    """Return the rows that are of a measure, or do not say of which they are; none if there is no frame."""
    if frame is None:
        return pd.DataFrame(columns=list(_COLUMNS))
    style.require_columns(frame, _COLUMNS, _SOURCE, "published")
    return frame[frame["measure"].isin([measure, ""])]


def draw_published(ax: Axes, frame: pd.DataFrame, axis: DepthAxis, families: Iterable[str]) -> None:
    """Draw published errors as hollow grey markers of their family, illustrative ones as a faint line."""
    for (family, source, kind), rows in frame.groupby(["family", "source", "kind"], sort=True):
        rows = rows.sort_values("depth")
        places = [axis.at(depth) for depth in rows["depth"]]
        handle = _handle(str(family), str(source), str(kind), families)
        handle.set_data(places, rows["error"])
        handle.set_zorder(1)
        ax.add_line(handle)


def published_handles(frame: pd.DataFrame, families: Iterable[str]) -> list[Line2D]:
    """Return one legend entry for each source, and one for each family of an illustrative one."""
    handles = []
    every = [*families, *frame["family"]]
    for (source, kind), rows in frame.groupby(["source", "kind"], sort=True):
        if kind == PUBLISHED:
            handles.append(_handle("", str(source), PUBLISHED, every))
        else:
            handles += [_handle(family, str(source), ILLUSTRATIVE, every) for family in in_order(rows["family"])]
    return handles


def _handle(family: str, source: str, kind: str, families: Iterable[str]) -> Line2D:
    """Return how one family of a source is drawn; the marker of no family stands for all."""
    every = [*families, family] if family else list(families)
    look = style.family_style(family, every) if family else style.FamilyStyle("", "o")
    shown = shorten(source, _SOURCE_LENGTH)
    if kind == PUBLISHED:
        label = text("figure.published", source=shown)
        return Line2D(
            [], [], linestyle="", marker=look.marker, markersize=_SIZE, markerfacecolor="none", markeredgewidth=0.9,
            markeredgecolor=style.FAINT, label=label,
        )  # fmt: skip
    label = text("figure.illustrative", family=shorten(family), source=shown)
    return Line2D([], [], color=style.FAINT, linestyle=look.linestyle, linewidth=0.7, label=label)
