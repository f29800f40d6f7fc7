"""Figures of one or several panels: sizes, margins in inches, shared labels and legends that cover no data."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox, ScaledTranslation

from gradflow.figures.names import clean
from gradflow.plots.measure import BESIDE_LABEL, POINTS, fitted, legend_columns, legend_width, wrapped
from gradflow.plots.style import FONT_SIZE, TICK_SIZE, TITLE_SIZE
from gradflow.text.words import named

FRAME_HEIGHT = 0.95  # inches for a title of two lines, a label and a legend of two lines
LABEL_HEIGHT = 0.55  # inches for tick labels and an x label of two lines
WIDE = 4.5  # inches: from here on panels stand three in a row
NOTEBOOK_DPI = 100
X_TICKS, Y_TICKS = 4, 6  # intervals between ticks, at most
STEPS = (1, 2, 5, 10)
LINE_HEIGHT = 0.155  # inches of a legend's line
_TITLE_LINE = 0.175  # inches of a line of the title over all panels
_LEGEND_FRAME = 0.11  # inches around a legend
_USUAL_LINES = 3  # of note and legend, for which `FRAME_HEIGHT` has room
_INSET = 0.01  # of the figure's width, beside title and legend
_TITLE_INSET = 0.02  # inches over the title
_MIN_SIDE, _EDGE = 1.0, 0.03  # inches: axes are made no smaller than this, and so far from their figure's edge
_ROUNDS = 2  # smaller axes may have other tick labels


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


class PageFigure(Figure):
    """A figure that notebooks show by itself, though pyplot does not know it."""

    def _repr_png_(self) -> bytes:
        drawn = io.BytesIO()
        self.savefig(drawn, format="png", dpi=NOTEBOOK_DPI)
        return drawn.getvalue()


def subplots(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """Return a figure that pyplot does not keep, and its axes, as an array (rows, columns)."""
    # `arrange` lays it out: nothing else need measure words, nor `keep_inside`.
    figure = PageFigure(figsize=(width, height), layout=PlaceHolderLayoutEngine(True, True))
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for ax in axes.flat:
        # Ticks are made when they are drawn, outside of context(): say their size now.
        ax.tick_params(which="both", labelsize=TICK_SIZE, width=0.6)
        # Ticks are what drawing spends most of its time on.
        ax.xaxis.set_major_locator(MaxNLocator(X_TICKS, steps=STEPS))
        ax.yaxis.set_major_locator(MaxNLocator(Y_TICKS, steps=STEPS))
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
    """Put a title over all panels, and a note and one legend, in as many columns as fit, under them or in a free place.

    A free place holds both where it has room for both, else the legend alone, else the note alone. The figure grows by
    what a long legend or a title of several lines takes. Returns the margins, which are those given and room for what
    is over and under the panels.
    """
    width, height = (float(inches) for inches in figure.get_size_inches())
    room = width * (1 - 2 * _INSET)
    heading = wrapped("\n".join(filter(None, (title, subtitle))), room, TITLE_SIZE)
    free = _free(figure, margins)
    choices = [(handles, note, [], ""), (handles, "", [], note), ([], note, handles, "")]
    fitting = (
        (legend, _legend_of(others, other_note, room))
        for kept, kept_note, others, other_note in choices
        if (kept or kept_note) and _fits(legend := _legend_of(kept, kept_note, free.width), free)
    )
    inside, below = next(fitting, (_legend_of([], "", 0.0), _legend_of(handles, note, room)))
    placed = margins._replace(bottom=margins.bottom + legend_height(below.lines))
    if inside.lines:
        height -= max(0.0, legend_height(_USUAL_LINES) - legend_height(below.lines))
    placed = placed._replace(top=margins.top + (_TITLE_LINE * (1 + heading.count("\n")) + 0.04 if heading else 0.0))
    usual = margins.top + margins.bottom + 2 * _TITLE_LINE + 0.04 + legend_height(_USUAL_LINES)
    height += max(0.0, placed.top + placed.bottom - usual)
    figure.set_size_inches(width, height)
    if heading:
        figure.suptitle(heading, x=_INSET, y=1 - _TITLE_INSET / height, ha="left", va="top", linespacing=1.4)
    arrange(figure, placed)
    _put(figure, below, "lower left", (0, 0))
    _put(figure, inside, "upper left", (free.x0 / width, figure.axes[-1].get_position().y1))
    return placed


class _Legend(NamedTuple):
    """A legend under a note: entries, the note in lines, columns, lines in all, and inches of its entries."""

    handles: Sequence[Any]
    note: str
    columns: int
    lines: int
    width: float


def _legend_of(handles: Sequence[Any], note: str, inches: float) -> _Legend:
    labels = [str(handle.get_label()) for handle in handles]
    columns = legend_columns(labels, inches)
    shown = wrapped(note, inches, TICK_SIZE) if inches > 0 else ""
    lines = bool(shown) + shown.count("\n") + -(-len(handles) // columns)
    return _Legend(handles, shown, columns, lines, legend_width(labels, columns) if labels else 0.0)


def _fits(legend: _Legend, free: Bbox) -> bool:
    return bool(free.height > legend_height(legend.lines) and free.width >= legend.width)


def _put(
    figure: Figure, legend: _Legend, corner: Literal["lower left", "upper left"], place: tuple[float, float]
) -> None:
    """Put a legend with one of its corners at a place, in fractions of the figure; none that is empty."""
    if legend.lines:
        figure.legend(
            handles=list(legend.handles),
            title=legend.note or None,
            loc=corner,
            bbox_to_anchor=place,
            borderaxespad=0.2,
            alignment="left",
            ncols=legend.columns,
            handlelength=2.6,
            columnspacing=1.2,
        )


def _free(figure: Figure, margins: Margins) -> Bbox:
    """Return the place without panels at the end of the last row, in inches; nothing where there is none."""
    width, height = (float(inches) for inches in figure.get_size_inches())
    rows, columns = figure.axes[0].get_gridspec().get_geometry()  # type: ignore[union-attr]  # made by subplots
    used = columns - (rows * columns - len(figure.axes))
    if used == columns or rows == 1:
        return Bbox.from_extents(0, 0, 0, 0)
    panel = (width - margins.left - margins.right - (columns - 1) * margins.columns) / columns
    left = margins.left + used * (panel + margins.columns)
    return Bbox.from_extents(left, 0, width - margins.right, (height - FRAME_HEIGHT) / rows - margins.rows)


def legend_height(lines: int) -> float:
    """Return the inches that a legend of so many lines takes."""
    return lines * LINE_HEIGHT + _LEGEND_FRAME if lines else 0.0


def entitle(axes: Sequence[Axes], titles: Sequence[str], figure_width: float, margins: Margins) -> Margins:
    """Title each panel, in two lines if one of them has or needs them, and return margins with room for them."""
    first = axes[0].get_subplotspec()
    columns = first.get_gridspec().ncols if first is not None else 1
    inches = (figure_width - margins.left - margins.right - (columns - 1) * margins.columns) / columns
    shown = []
    for title in titles:
        if "\n" in title:  # each line may reach to the next panel
            shown.append("\n".join(fitted(line, inches + margins.columns, FONT_SIZE) for line in title.split("\n")))
            continue
        first_line, *others = wrapped(clean(named(title)), inches, FONT_SIZE).split("\n")
        rest = [fitted(" ".join(others), inches, FONT_SIZE)] if others else []
        shown.append("\n".join([fitted(first_line, inches, FONT_SIZE), *rest]))
    for ax, title in zip(axes, shown, strict=True):
        ax.set_title(title)
    more = _TITLE_LINE * any("\n" in title for title in shown)
    return margins._replace(top=margins.top + more, rows=margins.rows + more)


def hide_inner_labels(axes: Sequence[Axes]) -> None:
    """Leave tick labels to the panels of the last row and of the first column, as panels do that share their axes."""
    for ax in axes:
        place = ax.get_subplotspec()
        if place is not None:
            ax.tick_params(axis="x", which="both", labelbottom=place.is_last_row())
            ax.tick_params(axis="y", which="both", labelleft=place.is_first_col())


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


def axes_legend(ax: Axes, handles: Sequence[Any]) -> None:
    """Put the axes' legend under an x label of two lines, where it covers no data."""
    inches = ax.get_window_extent().width / ax.figure.dpi
    size = legend_size()
    for handle in handles:
        handle.set_label(wrapped(str(handle.get_label()), inches - BESIDE_LABEL * size / POINTS, size))
    columns = legend_columns([str(handle.get_label()) for handle in handles], inches, size)
    below = ax.transAxes + ScaledTranslation(0, -LABEL_HEIGHT * label_scale(ax), ax.figure.dpi_scale_trans)
    ax.legend(
        handles=list(handles),
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=below,
        ncols=columns,
        borderaxespad=0,
        handlelength=2.6,
    )


def keep_inside(ax: Axes) -> Axes:
    """Return the axes, so much smaller that the words around them are inside their figure, as a colour bar makes them.

    Those of a figure that lays itself out stay as they are.
    """
    if ax.figure.get_layout_engine() is None:
        for _ in range(_ROUNDS):
            _shrink(ax)
    return ax


def _shrink(ax: Axes) -> None:
    """Move each side of the axes inwards by as much as what is drawn beyond it leaves the figure."""
    box, page, inch = ax.get_tightbbox(), ax.figure.bbox, ax.figure.dpi
    if box is None:  # invisible
        return
    beyond = np.array([page.x0 - box.x0, page.y0 - box.y0, box.x1 - page.x1, box.y1 - page.y1])
    left, bottom, right, top = np.where(beyond > 0, beyond + _EDGE * inch, 0.0)
    own = ax.get_window_extent()
    if own.width - left - right < _MIN_SIDE * inch or own.height - bottom - top < _MIN_SIDE * inch:
        return
    if (beyond > 0).any():
        smaller = Bbox.from_extents(own.x0 + left, own.y0 + bottom, own.x1 - right, own.y1 - top)
        ax.set_position(smaller.transformed(ax.figure.transSubfigure.inverted()))
        ax.set_in_layout(True)  # a layout that is asked for later is free to place them


def label_scale(ax: Axes) -> float:
    """Return by how much the letters along the x axis are larger than a printed figure's, as a notebook's are."""
    return max(
        _points(ax.xaxis.label.get_fontproperties()) / FONT_SIZE, _size(mpl.rcParams["xtick.labelsize"]) / TICK_SIZE
    )


def legend_size() -> float:
    """Return the size of a legend's letters in points."""
    return _size(mpl.rcParams["legend.fontsize"])


def _size(setting: float | str) -> float:
    """Return a size in points, which matplotlib may know by a word."""
    return _points(FontProperties(size=setting))


def _points(font: FontProperties) -> float:
    return float(font.get_size_in_points())
