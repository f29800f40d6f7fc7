"""Figures of one or several panels: sizes, shared labels and legends that cover no data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from gradflow.plots.style import TICK_SIZE

FRAME_HEIGHT = 0.95  # inches for a title of two lines, a label and a legend of two lines
LABEL_HEIGHT = 0.55  # inches for tick labels and an x label of two lines
WIDE = 4.5  # inches: from here on panels stand three in a row


def subplots(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """Return a figure that pyplot does not keep, and its axes, as an array (rows, columns)."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for ax in axes.flat:
        # Ticks are made when they are drawn, outside of context(): say their size now.
        ax.tick_params(which="both", labelsize=TICK_SIZE, width=0.6)
    return figure, axes


def finish(figure: Figure, width: float, *, title: str, subtitle: str, handles: Sequence[Any], note: str = "") -> None:
    """Put a title over all panels, and under them one legend, in as many columns as fit, led by a note."""
    figure.suptitle(f"{title}\n{subtitle}" if subtitle else title, x=0.01, ha="left", linespacing=1.4)
    longest = max((len(str(handle.get_label())) for handle in handles), default=1)
    fitting = max(1, int((width - 0.2) / (0.55 + 0.058 * longest)))
    figure.legend(
        handles=list(handles),
        title=note or None,
        loc="outside lower left",
        alignment="left",
        ncols=max(1, min(fitting, len(handles))),
        handlelength=2.6,
        columnspacing=1.2,
    )


def label_outer(axes: Sequence[Axes], xlabel: str, ylabel: str) -> None:
    """Label the lowest panel of each column and the first of each row, and no other."""
    places = [ax.get_subplotspec() for ax in axes]
    lowest = {place.colspan.start: place.rowspan.start for place in places if place is not None}
    for ax, place in zip(axes, places, strict=True):
        is_lowest = place is None or lowest[place.colspan.start] == place.rowspan.start
        ax.set_xlabel(xlabel if is_lowest else "")
        ax.set_ylabel(ylabel if place is None or place.colspan.start == 0 else "")
        if is_lowest:
            ax.tick_params(axis="x", labelbottom=True)


def axes_legend(ax: Axes, handles: Sequence[Any], *, columns: int = 2) -> None:
    """Put the axes' legend under an x label of two lines, where it covers no data."""
    below = ax.transAxes + ScaledTranslation(0, -LABEL_HEIGHT, ax.figure.dpi_scale_trans)
    ax.legend(
        handles=list(handles),
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=below,
        ncols=columns,
        borderaxespad=0,
        handlelength=2.6,
        fontsize="small",
    )


def panel_grid(count: int, width: float, panel_height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure and its panels, which share both axes: up to three in a row, two if the figure is narrow."""
    columns = min(count, 3 if width >= WIDE else 2)
    rows = -(-count // columns)
    figure, axes = subplots(width, rows * panel_height + FRAME_HEIGHT, rows, columns, sharex=True, sharey=True)
    for index, ax in enumerate(axes.flat):
        if index >= count:
            ax.remove()
    return figure, list(axes.flat)[:count]
