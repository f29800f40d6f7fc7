"""Axes on paper: their scales, limits, ticks and the words at them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from gradflow.figures.axis_limits import fine_places, is_short, limits, powers_of_two
from gradflow.figures.model import Axis, Figure
from gradflow.figures.names import LABEL_LENGTH, short_names, shorten
from gradflow.plots import panels, style
from gradflow.plots.measure import text_width
from gradflow.text import text
from gradflow.text.numbers import power_of_ten

GRID = "#e6e6e6"
NAME_WIDTH = 0.13  # inches along an axis that an upright name of a layer takes; of more, some are left out evenly
ROW_LENGTH, _MIN_ROW_LENGTH = 16, 4  # characters of a row's name, where panels stand beside each other and at least
TICK_LENGTH = 14  # characters of a tick's name
_TICK_GAP = 0.09  # inches between the names of two ticks
_X_VALUES = 3  # intervals between ticks of values along a horizontal axis, at most


def scale_x(ax: Axes, axis: Axis, rows: pd.DataFrame) -> None:
    """Scale the horizontal axis to the rows, with its ticks and its title."""
    if axis.kind == "steps":
        ax.set_xscale("symlog", linthresh=1, linscale=0.4)
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    elif axis.kind == "doubling":
        ax.set_xscale("log", base=2)
        ax.set_xticks(powers_of_two(axis, rows))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_locator(NullLocator())
    elif axis.kind == "places":
        ax.xaxis.set_major_locator(FixedLocator(list(range(len(axis.names)))))
        ax.set_xticklabels(axis.names)
    elif axis.kind == "layers":
        room = ax.get_window_extent().width / ax.figure.dpi / NAME_WIDTH
        every = -(-len(axis.names) // max(int(room), 1))
        ax.set_xticks(range(0, len(axis.names), every), map(shorten, axis.names[::every]), rotation=90)
    elif axis.kind == "depth":
        ax.xaxis.set_major_locator(MaxNLocator(panels.X_TICKS, steps=panels.STEPS, integer=True))
    elif axis.kind == "whole":
        ax.xaxis.set_major_locator(MaxNLocator(panels.X_TICKS, integer=True, min_n_ticks=1))
    elif not axis.ticks:
        _values(ax, "x", axis, rows)
    ax.set_xlim(limits(axis, rows))
    if axis.ticks:
        put_ticks(ax, axis)
    ax.set_xlabel(axis.title)


def put_ticks(ax: Axes, axis: Axis) -> None:
    """Put ticks whose names do not touch, the last among them."""
    names = {place: shorten(name, TICK_LENGTH) for place, name in axis.ticks.items()}
    low, high = ax.get_xlim()
    per_inch = (high - low) / (ax.get_window_extent().width / ax.figure.dpi)
    half = {place: text_width(name, style.TICK_SIZE) * panels.label_scale(ax) / 2 for place, name in names.items()}
    last = max(names)
    kept: list[float] = []
    for place in sorted(names):
        near = [*kept[-1:], last]
        if place == last or all(abs(place - one) >= (half[place] + half[one] + _TICK_GAP) * per_inch for one in near):
            kept.append(place)
    ax.set_xticks(kept, [names[place] for place in kept])


def scale_y(ax: Axes, figure: Figure, rows: pd.DataFrame) -> None:
    """Scale the vertical axis to the rows, with its ticks and its title."""
    axis = figure.y
    if axis.names or axis.ticks:
        ax.set_yticks([*axis.ticks] or range(len(axis.names)), names_of_rows(figure))
        ax.tick_params(axis="y", length=0)
    else:
        _values(ax, "y", axis, rows)
    ax.set_ylim(limits(axis, rows))
    ax.set_ylabel(axis.title)


def _values(ax: Axes, along: Literal["x", "y"], axis: Axis, rows: pd.DataFrame) -> None:
    """Scale an axis of values, with a grid; along the narrow horizontal one there are fewer ticks."""
    one, most = (ax.yaxis, panels.Y_TICKS) if along == "y" else (ax.xaxis, _X_VALUES)
    if axis.kind == "log":
        ax.set(**{f"{along}scale": "log"})
        short = is_short(axis, rows)
        one.set_major_locator(FixedLocator(fine_places(*limits(axis, rows))) if short else LogLocator(numticks=most))
        one.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if short else power_of_ten(value)))
        one.set_minor_locator(NullLocator())
    elif axis.kind == "powers":
        one.set_major_locator(MaxNLocator(most, integer=True, steps=panels.STEPS))
        one.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(10.0**value)))
    elif axis.kind in ("fraction", "error"):
        one.set_major_formatter(FuncFormatter(percent()))
    elif axis.kind == "points":
        one.set_major_formatter(FuncFormatter(lambda value, _: _signed(100 * value)))
    ax.grid(axis=along, color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)


def names_of_rows(figure: Figure, inches: float = math.inf) -> list[str]:
    """Return the names of rows, cut in the middle, short enough for so many inches."""
    names = figure.y.row_names
    for length in range(ROW_LENGTH if figure.facet else LABEL_LENGTH, _MIN_ROW_LENGTH, -1):
        shown = short_names(names, length, tail=length)
        if max(text_width(name, style.TICK_SIZE) for name in shown.values()) <= inches:
            break
    return [shown[name] for name in names]


def _signed(value: float) -> str:
    return f"{value:+g}".replace("-", "−").replace("+0", "0")


def percent() -> Callable[[float, Any], str]:
    """Return what writes fractions as percent, in the language of the figure, and not of when it is drawn."""
    written = text("unit.percent", value="{}")
    return lambda value, _: written.format(f"{100 * value:g}".replace("-", "−"))
