"""What every printed figure shares: sizes, fonts, legends; how networks look is in `gradflow.figures.looks`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradflow.figures.looks import NEUTRAL, Look, Network
from gradflow.figures.names import in_order, short_names
from gradflow.plots.fonts import drawable
from gradflow.text import text

SINGLE = 89 / 25.4  # inches: one column of a journal's two-column page, 89 mm
DOUBLE = 183 / 25.4  # inches: both columns, 183 mm
PRINT_DPI = 300

FONT_SIZE = 8.0
TICK_SIZE = 7.0
TITLE_SIZE = FONT_SIZE + 0.5
DEPTH_LINE = 3.0  # points: legend entries that say what a colour means
_RC: dict[Any, Any] = {
    "font.size": FONT_SIZE,
    "axes.titlesize": FONT_SIZE,
    "axes.labelsize": FONT_SIZE,
    "figure.titlesize": TITLE_SIZE,
    "xtick.labelsize": TICK_SIZE,
    "ytick.labelsize": TICK_SIZE,
    "legend.fontsize": TICK_SIZE,
    "legend.title_fontsize": TICK_SIZE,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # said here, or each drawing measures all ticks to find it
    "axes.edgecolor": NEUTRAL,
    "axes.labelcolor": NEUTRAL,
    "xtick.color": NEUTRAL,
    "ytick.color": NEUTRAL,
    "text.color": "#202020",
    "lines.linewidth": 1.2,
    "lines.markersize": 4.0,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "text.usetex": False,  # names are shown as they are
    "pdf.fonttype": 42,  # text that editors and search find
    "svg.fonttype": "path",  # the same everywhere, whichever fonts are installed
    "svg.hashsalt": "gradflow",  # or each file has ids of its own
}


@contextmanager
def context() -> Iterator[None]:
    """Use gradflow's fonts and line widths inside the block, and leave matplotlib's settings as they were.

    For a language other than English, a font that supports it is among them; if none is installed, the block is in
    English, with a warning.
    """
    with drawable() as fonts, mpl.rc_context(_RC | fonts):
        yield


def words(key: str) -> str:
    """Return a text in the language that figures are drawn in: English where no font draws another."""
    with context():
        return text(key)


def legend_handles(found: Mapping[Network, Look], *, markers: bool = False, told: str = "") -> list[Line2D]:
    """Return legend entries: one per depth (colour), one per family (line style), one per run without a depth.

    With 12 depths and 2 families that is 14 entries instead of 24. What is `told` already, depth or family, has none.
    """
    handles, families, depths = [], {}, {}
    labels = short_names(family for family, _ in found)
    for (family, depth), look in found.items():
        if not family:  # what stands at a depth and is of no family
            continue
        line = {"linestyle": look.linestyle, "marker": look.marker if markers else "", "label": labels[family]}
        if depth is None:
            handles.append(Line2D([], [], color=look.color, **line))
            continue
        depths[depth] = Line2D(
            [], [], color=look.color, linewidth=DEPTH_LINE, label=text("figure.of_depth", depth=depth)
        )
        families[family] = Line2D([], [], color=NEUTRAL, **line)
    of_depths = [] if told == "depth" else [*depths.values()]
    return of_depths if told == "family" else [*of_depths, *(families[name] for name in in_order(families)), *handles]


def keyed(ax: Axes, given: Axes | None, handles: Sequence[Any]) -> Axes:
    """Return the axes, with a legend where nobody gave them: the plot then stands alone, and must say what is what."""
    if given is None and len(handles) > 1:
        ax.legend(handles=list(handles), fontsize=TICK_SIZE, frameon=False, handlelength=2.6)
    return ax


def current_axes(ax: Axes | None) -> Axes:
    """Return the axes given, or the current ones, as seaborn does."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # here, because a report needs no pyplot and it takes long to import

    return plt.gca()
