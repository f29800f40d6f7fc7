"""Figures of one or several panels: sizes, margins in inches, shared labels and legends that cover no data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from gradflow.plots.style import TICK_SIZE

FRAME_HEIGHT = 0.95  # inches for a title of two lines, a label and a legend of two lines
LABEL_HEIGHT = 0.55  # inches for tick labels and an x label of two lines
WIDE = 4.5  # inches: from here on panels stand three in a row
X_TICKS, Y_TICKS = 4, 6  # intervals between ticks, at most
_STEPS = (1, 2, 5, 10)
LINE_HEIGHT = 0.155  # inches of a legend's line
_TITLE_LINE = 0.175  # inches of a line of the title over all panels
_LEGEND_FRAME = 0.11  # inches around a legend


class Margins(NamedTuple):
    """Inches around the panels and between them.

    Written down, because measuring them (matplotlib's constrained layout) takes longer than drawing.
    """

    left: float = 0.6  # tick labels such as 10⁻¹⁴ or 100 %, and a label
    right: float = 0.12
    top: float = 0.26  # a panel's title
    bottom: float = 0.42  # tick labels and a label of one line
    columns: float = 0.14  # panels that share their y axis
    rows: float = 0.4  # a panel's title under ticks without labels


MARGINS = Margins()


def subplots(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """Return a figure that pyplot does not keep, and its axes, as an array (rows, columns)."""
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for ax in axes.flat:
        # Ticks are made when they are drawn, outside of context(): say their size now.
        ax.tick_params(which="both", labelsize=TICK_SIZE, width=0.6)
        # Ticks are what drawing spends most of its time on.
        ax.xaxis.set_major_locator(MaxNLocator(X_TICKS, steps=_STEPS))
        ax.yaxis.set_major_locator(MaxNLocator(Y_TICKS, steps=_STEPS))
    return figure, axes


def arrange(figure: Figure, margins: Margins) -> None:
    """Place all panels of a figure between margins."""
    width, height = (float(inches) for inches in figure.get_size_inches())
    rows, columns = figure.axes[0].get_gridspec().get_geometry()  # type: ignore[union-attr]  # made by subplots
    panel_width = (width - margins.left - margins.right - (columns - 1) * margins.columns) / columns
    panel_height = (height - margins.top - margins.bottom - (rows - 1) * margins.rows) / rows
    figure.subplots_adjust(
        left=margins.left / width,
        right=1 - margins.right / width,
        top=1 - margins.top / height,
        bottom=margins.bottom / height,
        wspace=margins.columns / panel_width,
        hspace=margins.rows / panel_height,
    )


def finish(
    figure: Figure,
    *,
    title: str,
    subtitle: str,
    handles: Sequence[Any],
    note: str,
    margins: Margins = MARGINS,
) -> Margins:
    """Put a title over all panels, and under them a note and one legend, in as many columns as fit.

    Returns the margins, which are those given and room for title, note and legend.
    """
    width = float(figure.get_size_inches()[0])
    figure.suptitle(
        f"{title}\n{subtitle}" if subtitle else title, x=0.01, y=0.995, ha="left", va="top", linespacing=1.4
    )
    longest = max((len(str(handle.get_label())) for handle in handles), default=1)
    fitting = max(1, int((width - 0.2) / (0.55 + 0.058 * longest)))
    columns = max(1, min(fitting, len(handles)))
    figure.legend(
        handles=list(handles),
        title=note,
        loc="lower left",
        bbox_to_anchor=(0, 0),
        borderaxespad=0.2,
        alignment="left",
        ncols=columns,
        handlelength=2.6,
        columnspacing=1.2,
    )
    placed = margins._replace(
        top=margins.top + _TITLE_LINE * (1 + bool(subtitle)) + 0.04,
        bottom=margins.bottom + legend_height(1 + note.count("\n") + -(-len(handles) // columns)),
    )
    arrange(figure, placed)
    return placed


def legend_height(lines: int) -> float:
    """Return the inches that a legend of so many lines takes."""
    return lines * LINE_HEIGHT + _LEGEND_FRAME


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
