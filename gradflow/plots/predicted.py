"""How far are measured factors per layer from their closed forms? One line per setting or network and stage."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from gradflow.figures.factors import row_name
from gradflow.figures.names import LABEL_LENGTH
from gradflow.plots import panels, style
from gradflow.plots.measure import text_width
from gradflow.text import text

COLUMNS = ("label", "family", "depth", "stage", "n", "difference", "difference_low", "difference_high")
_SOURCE = "gradflow.analysis.predicted"
LINE = 0.17  # inches of one row
NAMES_SHARE = 0.45  # of the figure's width, at most, for the names of rows
TICK_ROOM = 0.12  # inches between names and axes, and beside them
X_LABEL = 0.55  # inches for tick labels and a label of two lines
LEAST_SPAN = 0.01  # on either side of 0: less is not worth an axis
COARSE_SPAN = 0.03  # from here on ticks are whole percents


def predicted(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the relative difference of measured and predicted factors, 0 where the closed form is met.

    Colour is depth; settings of the demonstration, all of one depth, are grey.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.predicted`. Rows without a prediction are left out.
    ax : Axes, optional
        The current axes by default; made smaller where words around them would leave their figure.

    Raises
    ------
    ValueError
        The frame lacks a column, or has no prediction.
    """
    style.require(frame, COLUMNS, _SOURCE)
    rows = frame[np.isfinite(frame["difference"])].iloc[::-1]
    style.require(rows, COLUMNS, _SOURCE)
    ax = style.current_axes(ax)
    depths = [int(depth) for depth in rows["depth"].dropna()]
    ax.axvline(0, color=style.FAINT, linewidth=0.8, zorder=1)
    for place, row in enumerate(rows.to_dict("records")):
        color = style.NEUTRAL if pd.isna(row["depth"]) else style.depth_color(int(row["depth"]), depths)
        ax.plot([row["difference_low"], row["difference_high"]], [place, place], color=color, linewidth=1.6, zorder=2)
        ax.plot(row["difference"], place, marker="o", markersize=4, color=color, zorder=3, gid=row_name(row))
    ax.set_yticks(range(len(rows)), [row_name(row) for row in rows.to_dict("records")])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(-0.7, len(rows) - 0.3)
    drawn = rows[["difference", "difference_low", "difference_high"]].to_numpy(dtype=np.float64)
    span = max(1.1 * float(np.nanmax(np.abs(drawn))), LEAST_SPAN)
    ax.set_xlim(-span, span)
    decimals = 0 if span >= COARSE_SPAN else 1
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=decimals, symbol=text("unit.percent", value="")))
    ax.set_xlabel(f"{text('figure.predicted.x')}\n{style.seeds_text(rows['n'])}")
    ax.set_title(text("figure.predicted.title"))
    return panels.keep_inside(ax)


def predicted_figure(frame: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `predicted` as a figure of the given width in inches."""
    style.require(frame, COLUMNS, _SOURCE)
    with style.context():
        n_rows = int(np.isfinite(frame["difference"]).sum())
        height = panels.MARGINS.top + LINE * (n_rows + 0.4) + X_LABEL
        figure, axes = panels.subplots(width, height)
        ax = predicted(frame, axes.flat[0])
        names = _fitting_names(frame, NAMES_SHARE * width)
        ax.set_yticklabels(names)
        left = max(text_width(name, style.TICK_SIZE) for name in names) + TICK_ROOM
        margins = panels.Margins(left=left, bottom=X_LABEL)
        panels.arrange(figure, margins)
        # Over the names, too: narrow axes are narrower than their title.
        ax.set_title("")
        inset = margins.right / width
        figure.suptitle(text("figure.predicted.title"), x=inset, y=1 - margins.top / 3 / height, ha="left", va="top")
    return figure


def _fitting_names(frame: pd.DataFrame, inches: float) -> list[str]:
    """Return the names of the rows as they are drawn, from below, all short enough."""
    rows = frame[np.isfinite(frame["difference"])].iloc[::-1].to_dict("records")
    for length in range(LABEL_LENGTH, 4, -1):
        names = [row_name(row, length) for row in rows]
        if max(text_width(name, style.TICK_SIZE) for name in names) <= inches:
            break
    return names
