"""Figures on paper: a description becomes axes with matplotlib, or a figure of panels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawn

from gradflow.figures.looks import Looks, Palette, recolored
from gradflow.figures.model import Figure
from gradflow.figures.names import shorten
from gradflow.figures.seed_words import draws_bands
from gradflow.plots import panels, style
from gradflow.plots.handles import legend_entries, networks_of
from gradflow.plots.marks import draw_edges, draw_mark, like_guide
from gradflow.plots.measure import text_width, wrapped
from gradflow.plots.ticks import names_of_rows, put_ticks, scale_x, scale_y

_ROW_SHARE = 0.45  # of a figure's width for the names of rows, at most
_ROW_GAP, _ROW_PANEL = 0.12, 1.0  # inches beside them, and of the narrowest panel beside names
_PANEL_FRAME = 0.7  # inches of a panel's height for words, at most
MAX_LINKED = 24  # panels that move together where a reader zooms into one
_ABOVE_LEGEND = 0.6  # of the height of axes, for the words beside them, where a legend takes some of it


def draw(
    figure: Figure,
    ax: Axes | None = None,
    *,
    looks: Looks | None = None,
    palette: Palette | None = None,
    title: str | None = None,
) -> Axes:
    """Draw a figure on one pair of axes: the current ones by default, which then get a legend.

    `looks`, from `gradflow.figures.looks.looks` of a larger comparison, make colours agree with it. Raises ValueError
    where the figure's facet has several values, which one pair of axes cannot tell apart.
    """
    given, ax = ax, style.current_axes(ax)
    facet = figure.facet
    if facet is not None and len(facet.names) > 1:
        found = ", ".join(facet.names)
        raise ValueError(f"what is drawn on one pair of axes must hold one {facet.column}; got {found}.")
    values, part = next(figure.cells(figure.facets))
    part, chosen = _colored(part, looks, palette)
    _panel(part, ax, chosen, part.rows)
    if title is None and facet is not None and facet.titles:
        title = facet.title(values[facet.column])
    if title is not None:
        ax.set_title(title)
    if figure.y.kind != "rows":  # which say their names
        style.keyed(ax, given, legend_entries(part, chosen, [part]))
    return panels.keep_inside(ax)


def alone(
    figure: Figure,
    ax: Axes | None = None,
    *,
    looks: Looks | None = None,
    palette: Palette | None = None,
    title: str | None = None,
) -> Axes:
    """Draw a figure as `draw` does, always with its note, its legend under that, and all words in their figure."""
    ax = draw(figure, style.current_axes(ax), looks=looks, palette=palette, title=title)
    ax.set_xlabel("\n".join(filter(None, (figure.x.title, figure.note))))
    part, chosen = _colored(next(figure.cells(figure.facets))[1], looks, palette)
    if handles := legend_entries(part, chosen, [part]):
        panels.axes_legend(ax, handles)
    panels.keep_inside(ax)
    size = float(ax.yaxis.label.get_fontsize())
    ax.set_ylabel(wrapped(ax.get_ylabel(), _room_beside(ax) / ax.figure.dpi, size))
    panels.keep_inside(ax)
    if figure.x.ticks:  # fewer of them fit now
        put_ticks(ax, figure.x)
    return ax


def _room_beside(ax: Axes) -> float:
    """Return the pixels along which words in the middle beside axes are in their figure.

    A layout that is still to come makes the axes smaller, by the legend.
    """
    box = ax.get_window_extent()
    if ax.figure.get_layout_engine() is not None:
        return _ABOVE_LEGEND * float(box.height)
    return float(min(box.y0 + box.y1, 2 * ax.figure.bbox.y1 - box.y0 - box.y1))


def page(
    make: Callable[[], Figure],
    width: float = style.DOUBLE,
    *,
    palette: Palette | None = None,
    title: str | None = None,
    sharey: bool | None = None,
) -> Drawn:
    """Draw the figure that `make` returns as panels, one a value of its facet, at a width in inches.

    It is made here, where the language is one that there is a font for.
    """
    with style.context():
        figure = make()
        if title is not None:
            figure = replace(figure, title=title)
        if sharey is not None:
            figure = replace(figure, facets=tuple(replace(facet, shares_y=sharey) for facet in figure.facets))
        return _page(*_colored(figure, None, palette), width)


def _colored(figure: Figure, looks: Looks | None, palette: Palette | None) -> tuple[Figure, Looks]:
    """Return the figure, and how its networks look, in other colours where asked for."""
    looks = looks or networks_of(figure)
    if palette is None:
        return figure, looks
    return replace(figure, looks=recolored(figure.looks, palette)), recolored(looks, palette)


def _page(figure: Figure, looks: Looks, width: float) -> Drawn:
    facet, layout = figure.facet, figure.layout
    parts = list(figure.cells((facet,) if facet else ()))
    shares_y = facet is None or facet.shares_y
    columns = min(len(parts), layout.wide if width >= panels.WIDE else layout.narrow)
    margins = panels.MARGINS._replace(**layout.margins)
    has_rows, shows_rows = bool(figure.y.row_names), figure.y.kind == "rows"
    row_names = [names_of_rows(part, _ROW_SHARE * width) for _, part in parts] if has_rows else []
    if has_rows:
        longest = max(text_width(name, style.TICK_SIZE) for names in row_names for name in names)
        margins = margins._replace(left=_ROW_GAP + longest)
    if has_rows and not shares_y:
        margins = margins._replace(columns=2 * _ROW_GAP + longest)
    if shows_rows:
        room = width - margins.left - margins.right + margins.columns
        columns = min(columns, max(1, int(room / (_ROW_PANEL + margins.columns))))
    rows = -(-len(parts) // columns)
    height = rows * layout.height + panels.FRAME_HEIGHT
    has_own_x = facet is not None and bool(facet.x)
    # Each change of a limit asks all panels that share it: the work grows with the square of their number.
    is_linked = len(parts) <= MAX_LINKED or has_own_x or not shares_y
    share = {"sharex": not has_own_x, "sharey": shares_y} if is_linked else {}
    drawn, grid = panels.subplots(width, height, rows, columns, **share)
    axes = list(grid.flat)[: len(parts)]
    for ax in list(grid.flat)[len(parts) :]:
        ax.remove()
    for ax, (_, part), names in zip(axes, parts, row_names or [[]] * len(parts), strict=True):
        _panel(part, ax, looks, figure.rows if shares_y and not has_own_x else part.rows)
        if has_rows:
            ax.set_yticklabels(names)
    if not is_linked:
        panels.hide_inner_labels(axes)
    if figure.x.kind == "layers":
        longest = max(text_width(shorten(name), style.TICK_SIZE) for name in figure.x.names)
        margins = margins._replace(bottom=margins.bottom + longest)
        drawn.set_size_inches(width, height + longest)
    if facet:
        titles = [facet.title(values[facet.column]) for values, _ in parts]
        margins = panels.entitle(axes, titles, width, margins)
    ylabel = figure.y.short or ("" if facet and facet.y else figure.y.title)
    if ylabel:
        ylabel = wrapped(ylabel, layout.height - _PANEL_FRAME, style.FONT_SIZE)
    margins = margins._replace(left=margins.left + panels.LINE_HEIGHT * ylabel.count("\n"))
    panels.label_outer(axes, figure.x.short or figure.x.title, ylabel)
    for ax, (values, part) in zip(axes, parts, strict=True):
        if has_own_x:
            ax.set_xlabel(part.x.title)
        if facet and facet.y and not shares_y:  # said once, over the panel or beside it
            ax.set_ylabel("" if part.y.title == facet.title(values[facet.column]) else part.y.title)
    panels.finish(
        drawn,
        title=figure.title,
        subtitle=figure.subtitle,
        handles=legend_entries(figure, looks, [part for _, part in parts]),
        note=figure.note,
        margins=margins,
    )
    return drawn


def _panel(figure: Figure, ax: Axes, looks: Looks, scaled_by: pd.DataFrame) -> None:
    """Draw all marks of a figure, on axes that hold the rows of `scaled_by`."""
    x, rows = figure.x.column, figure.rows
    for axis in (figure.x, figure.y):
        if axis.names:
            rows = rows.assign(**{axis.column: rows[axis.column].map(axis.names.index)})
    figure = replace(figure, rows=rows.sort_values(x, kind="stable"))
    for mark in figure.marks:
        lines = figure.of_mark(mark, looks)
        if lines and (mark.shape != "band" or figure.looks or draws_bands(looks)):
            draw_mark(ax, replace(figure, rows=scaled_by), mark, lines)
    for guide in figure.guides:
        (line,) = ax.plot(guide.x, guide.y, zorder=1)
        like_guide(line, guide)
    if figure.values.kind == "log":
        draw_edges(ax, figure, looks, scaled_by)
    scale_x(ax, figure.x, scaled_by)
    scale_y(ax, figure, scaled_by)
