"""How much worse does plain train? Differences between two families, paired by seed, against depth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradflow.figures.names import in_order, short_names
from gradflow.plots import panels, style
from gradflow.plots.depth_axis import depth_axis, draw_depths
from gradflow.plots.scales import percent_axis
from gradflow.text import text

PAIRS = ("depth", "n", "mean", "low", "high", "settings")
PAIRS_SOURCE = "gradflow.analysis.paired_difference"


def paired_difference(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the plain minus the residual error at each depth, paired by seed; one line per variant.

    An interval that excludes zero says that the families differ at that depth.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.paired_difference`.
    ax : Axes, optional
        The current axes by default; made smaller where words around them would leave their figure.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows.
    """
    style.require(frame, PAIRS, PAIRS_SOURCE)
    ax = style.current_axes(ax)
    depths = [int(depth) for depth in frame["depth"]]
    axis = depth_axis((settings, int(depth)) for settings, depth in zip(frame["settings"], depths, strict=True))
    ax.axhline(0, color=style.NEUTRAL, linewidth=0.8)
    for settings, rows in frame.sort_values("depth").groupby("settings", sort=True):
        line = _line(str(settings), frame)
        places = [axis.places[str(settings), int(depth)] for depth in rows["depth"]]
        ax.plot(places, rows["mean"], color=style.FAINT, linestyle=line.linestyle, linewidth=0.8, zorder=1)
        for place, row in zip(places, rows.to_dict("records"), strict=True):
            look: dict[str, Any] = {"color": style.depth_color(int(row["depth"]), depths), "marker": line.marker}
            errors = interval_bar(row["mean"], row["low"], row["high"])
            ax.errorbar(place, row["mean"], yerr=errors, capsize=3, linestyle="", **look)
    draw_depths(ax, axis, mean_note(frame["n"]))
    percent_axis(ax)
    ax.set_ylabel(text("figure.difference.y"))
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:+g}".replace("-", "−").replace("+0", "0"))
    ax.set_title(text("figure.difference.title"))
    handles = settings_handles(frame)
    if handles:
        panels.axes_legend(ax, handles)
    return panels.keep_inside(ax)


def settings_handles(frame: pd.DataFrame) -> list[Line2D]:
    """Return one legend entry per variant, where there are several."""
    every = in_order(frame["settings"])
    if len(every) < 2:
        return []
    labels = short_names(every)
    handles = []
    for settings in every:
        line = _line(settings, frame)
        look: dict[str, Any] = {"linestyle": line.linestyle, "marker": line.marker, "color": style.FAINT}
        handles.append(Line2D([], [], label=text("figure.difference.of", settings=labels[settings]), **look))
    return handles


def interval_bar(mean: float, low: float, high: float) -> Any:
    """Return errorbar's yerr, or None where there is no interval."""
    return None if np.isnan(low) else [[mean - low], [high - mean]]


def mean_note(n: pd.Series[Any]) -> str:
    """Return that means are drawn, and of how many seeds."""
    return text("figure.mean", seeds=style.seeds_text(n)) if int(n.max()) > 1 else style.seeds_text(n)


def _line(settings: str, frame: pd.DataFrame) -> style.FamilyStyle:
    if not settings:
        return style.FamilyStyle("-", "o")
    return style.family_style(settings, frame["settings"])
