"""How long are the paths that the gradient takes? Paths, gradient per path and their product, by length."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from gradflow.analysis.paths import PathLengths, PublishedLengths, has_every_length, path_lengths
from gradflow.plots import panels, style
from gradflow.plots.scales import edge_handles, log_axis, percent_axis
from gradflow.text import text
from gradflow.text.numbers import count

Quantity = Literal["paths", "gradient", "share"]

COLUMNS = ("length", "paths", "gradient", "low", "high", "n", "share")
_SOURCE = "gradflow.probe.paths.effective_paths"
QUANTITIES: tuple[Quantity, ...] = ("paths", "gradient", "share")
_COLOR = style.depth_color(1, [1])
_HEIGHT = 1.9  # inches of a panel
_MIDDLE_ALPHA = 0.18
_MARGINS = panels.MARGINS._replace(columns=0.62)
_MEAN: dict[str, Any] = {"color": style.NEUTRAL, "linestyle": (0, (1, 1.2)), "linewidth": 1.0}
_LINE: dict[str, Any] = {"color": _COLOR, "marker": "o", "markersize": 2.5}


def paths(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    quantity: Quantity = "share",
    published: PublishedLengths | None = None,
) -> Axes:
    """Draw one quantity by path length; for the share, mark its middle half, or published lengths, and its mean.

    A share whose bulk lies far left of half the number of blocks says that short paths carry the gradient: that
    is why a deep residual network trains like a collection of shallow ones.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.probe.paths.effective_paths`. Of a part of the lengths neither middle nor mean is known.
    ax : Axes, optional
        The current axes by default.
    quantity : "paths", "gradient" or "share"
        The first two on a log axis.
    published : PublishedLengths, optional
        Shaded in place of the middle half.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows, or the quantity is unknown.
    """
    style.require(frame, COLUMNS, _SOURCE)
    if quantity not in QUANTITIES:
        raise ValueError(f"quantity must be one of {', '.join(QUANTITIES)}; got {quantity!r}.")
    ax = style.current_axes(ax)
    rows = frame.sort_values("length")
    if quantity == "share":
        _draw_share(ax, rows, published)
    else:
        _draw_log(ax, rows, quantity)
    if len(rows) == 1:
        ax.set_xlim(rows["length"].iloc[0] - 1, rows["length"].iloc[0] + 1)
    ax.xaxis.set_major_locator(MaxNLocator(panels.X_TICKS, integer=True))
    ax.set_xlabel(text("figure.paths.x"))
    ax.set_ylabel(text(f"figure.paths.quantity.{quantity}"))
    return ax


def paths_figure(
    frame: pd.DataFrame, width: float = style.DOUBLE, *, published: PublishedLengths | None = None
) -> Figure:
    """Draw paths, gradient per path and share beside each other, or below each other if the figure is narrow."""
    style.require(frame, COLUMNS, _SOURCE)
    found = path_lengths(frame) if has_every_length(frame) else None
    is_wide = width >= panels.WIDE
    shape = (1, 3) if is_wide else (3, 1)
    with style.context():
        figure, axes = panels.subplots(width, shape[0] * _HEIGHT + panels.FRAME_HEIGHT, *shape, sharex=True)
        for ax, quantity in zip(axes.flat, QUANTITIES, strict=True):
            paths(frame, ax, quantity=quantity, published=published)
            ax.set_ylabel("")
            ax.set_title(text(f"figure.paths.quantity.{quantity}"))
            ax.set_xlabel(ax.get_xlabel() if is_wide or quantity == "share" else "")
        margins = (_MARGINS if is_wide else panels.MARGINS)._replace(left=0.5)
        panels.finish(
            figure,
            title=text("paths.title"),
            subtitle=_subtitle(found) if found else "",
            handles=[*_marks(found, published), *_edges(frame)],
            note=_note(frame),
            margins=margins,
        )
    return figure


def _draw_log(ax: Axes, rows: pd.DataFrame, quantity: str) -> None:
    values = rows[quantity]
    zeros, nonfinite = bool((values == 0).any()), bool(np.isinf(values).any())
    bounds = [*rows["low"], *rows["high"]] if quantity == "gradient" else []
    scale = log_axis(ax, [*values, *[bound for bound in bounds if bound > 0]], zeros=zeros, nonfinite=nonfinite)
    if quantity == "gradient":
        low, high = rows["low"].where(rows["low"] > 0), rows["high"]
        ax.fill_between(rows["length"], low, high, color=_COLOR, alpha=_MIDDLE_ALPHA, linewidth=0)
        if len(rows) == 1:  # a band of one place has no width
            ax.vlines(rows["length"], low, high, color=_COLOR)
    ax.plot(rows["length"], scale.place(values.where(values > 0)), **_LINE)
    if zeros:
        absent = rows["length"][values == 0]
        ax.plot(absent, np.full(len(absent), scale.zero), color=_COLOR, marker="v", linestyle="", markersize=3)


def _draw_share(ax: Axes, rows: pd.DataFrame, published: PublishedLengths | None) -> None:
    percent_axis(ax)
    ax.plot(rows["length"], rows["share"], **_LINE)
    ax.set_ylim(bottom=0, top=None if rows["share"].max() > 0 else 1)
    found = path_lengths(rows) if has_every_length(rows) else None
    shaded = _shaded(found, published)
    if shaded is not None:
        ends = ax.get_xlim()  # of the lengths that there are
        ax.axvspan(*shaded, color=_COLOR, alpha=_MIDDLE_ALPHA, linewidth=0)
        ax.set_xlim(ends)
    if found is not None:
        ax.axvline(found.mean, **_MEAN)


def _shaded(found: PathLengths | None, published: PublishedLengths | None) -> tuple[int, int] | None:
    """Return the lengths that are shaded: those published, else the middle half of the share."""
    if published is not None:
        return published.shortest, published.longest
    return None if found is None else (found.quarter, found.three_quarters)


def _marks(found: PathLengths | None, published: PublishedLengths | None) -> list[Line2D]:
    """Return what the shade and the dotted line of the share mean."""
    handles = []
    shaded = _shaded(found, published)
    if shaded is not None:
        low, high = shaded
        blocks = count(published.n_blocks, "blocks") if published else ""
        label = text(
            "figure.paths.published" if published else "figure.paths.middle", low=low, high=high, blocks=blocks
        )
        handles.append(Line2D([], [], color=_COLOR, alpha=_MIDDLE_ALPHA, linewidth=6, label=label))
    return [*handles, *([Line2D([], [], label=text("head.mean_length"), **_MEAN)] if found else [])]


def _edges(frame: pd.DataFrame) -> list[Line2D]:
    return edge_handles(zeros=bool((frame["gradient"] == 0).any()), nonfinite=False)


def _subtitle(found: PathLengths) -> str:
    return text("figure.paths.subtitle", blocks=count(found.n_blocks, "blocks"), mean=f"{found.mean:.1f}")


def _note(frame: pd.DataFrame) -> str:
    drawn = frame.loc[frame["low"] != frame["high"]]
    if drawn.empty:
        return text("figure.paths.all")
    fewest, most = int(drawn["n"].min()), int(drawn["n"].max())
    drawn_of_each = str(fewest) if fewest == most else text("list.range", low=fewest, high=most)
    key = "figure.paths.drawn_cut" if (drawn["low"] <= 0).any() else "figure.paths.drawn"
    return text(key, n=drawn_of_each)
