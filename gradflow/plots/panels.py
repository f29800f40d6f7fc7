"""Figures of one or several panels: sizes, shared labels and legends that cover no data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradflow.plots.style import TICK_SIZE

WIDE = 4.5  # inches: from here on panels stand three in a row


def subplots(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """Return a figure that pyplot does not keep, and its axes, as an array (rows, columns)."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for ax in axes.flat:
        # Ticks are made when they are drawn, outside of context(): say their size now.
        ax.tick_params(which="both", labelsize=TICK_SIZE, width=0.6)
    return figure, axes


def figure_legend(figure: Figure, handles: Sequence[Any], width: float, *, columns: int | None = None) -> None:
    """Put one legend under all panels, in as many columns as the width holds; none without entries."""
    if not handles:
        return
    longest = max(len(str(handle.get_label())) for handle in handles)
    fitting = max(1, int((width - 0.2) / (0.45 + 0.058 * longest)))
    figure.legend(
        handles=list(handles),
        loc="outside lower center",
        ncols=min(columns or fitting, len(handles)),
        handlelength=2.6,
        columnspacing=1.2,
    )


def axes_legend(ax: Axes, handles: Sequence[Any], *, columns: int = 2) -> None:
    """Put the axes' legend under its x label, where it covers no data."""
    height = ax.get_window_extent().height / ax.figure.dpi
    ax.legend(
        handles=list(handles),
        loc="upper left",
        bbox_to_anchor=(0, -0.52 / max(height, 0.5)),
        ncols=columns,
        borderaxespad=0,
        handlelength=2.6,
        fontsize="small",
    )


def panel_grid(count: int, width: float, panel_height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure and its panels, which share both axes: up to three in a row, two if the figure is narrow."""
    columns = min(count, 3 if width >= WIDE else 2)
    rows = -(-count // columns)
    # Two lines of shared labels and a legend of two lines, about 0.8 inches, come on top.
    figure, axes = subplots(width, rows * panel_height + 0.8, rows, columns, sharex=True, sharey=True)
    for index, ax in enumerate(axes.flat):
        if index >= count:
            ax.remove()
        elif index >= count - columns:
            ax.tick_params(axis="x", labelbottom=True)
    return figure, list(axes.flat)[:count]
