"""Where does training stop? The links from the gradient before it to the one after it, network by network."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from gradflow.figures.names import in_order, short_names
from gradflow.plots import panels, style
from gradflow.plots.scales import GRID, power_of_ten
from gradflow.text import text
from gradflow.text.widths import columns as columns_of

_SOURCE = "gradflow.analysis.stall_over_seeds"
_BOUNDS = ("", "_low", "_high")
_ROW = 0.19  # inches a network
_PANEL, _GAP, _RIGHT = 1.0, 0.22, 0.17  # inches: the least that a panel's title needs, between panels, beside them
_LETTER = 0.062  # inches of a network's name
_LONGEST = 16  # letters of it
_ERROR_SPAN = 0.05  # of training error that the axis shows at least


class Link(NamedTuple):
    """One panel: what is drawn filled, what hollow beside it, where nothing happened, and on which axis."""

    name: str
    filled: str
    hollow: str = ""
    neutral: float = 0.0
    scale: str = "decades"

    @property
    def title(self) -> str:
        """What the panel shows, in two lines."""
        return text(f"figure.stall.{self.name}")

    @property
    def marks(self) -> str:
        """What filled and hollow marks are, an empty string where there is one kind alone."""
        return text(f"figure.stall.marks.{self.name}") if self.hollow else ""


LINKS = (
    Link("start", "start_decades"),
    Link("growth", "growth", "first_growth", 1.0, "log"),
    Link("effective_lr", "effective_lr_end", "effective_lr_start", math.nan, "log"),
    Link("end", "end_decades", "end_decades_scaled"),
    Link("error", "train_error", scale="error"),
)


def stall_link(frame: pd.DataFrame, ax: Axes | None = None, *, link: Link = LINKS[0]) -> Axes:
    """Draw one link of the chain, one row per network.

    A network whose rows of all links lie on one side of the neutral line stalls by its weights; one whose first
    rows do and whose last do not trains all the same.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.stall_over_seeds`. Intervals are 95 %.
    ax : Axes, optional
        The current axes by default; made smaller where words around them would leave their figure.
    link : Link
        One of `LINKS`.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows.
    """
    drawn = [name for name in (link.hollow, link.filled) if name]
    style.require(frame, _columns(link), _SOURCE)
    ax = style.current_axes(ax)
    if np.isfinite(link.neutral):
        ax.axvline(link.neutral, color=style.FAINT, linewidth=0.8, zorder=1)
    networks = list(style.each_network(frame))
    for place, (look, rows) in enumerate(networks):
        row = rows.iloc[0]
        if link.hollow:
            ax.plot([row[name] for name in drawn], [place, place], color=look.color, linewidth=0.8, zorder=2)
            ax.plot(row[link.hollow], place, marker=look.marker, color=look.color, markerfacecolor="white", zorder=3)
        _interval(ax, place, row, link, look)
    _axis(ax, frame, link, drawn)
    ax.set_yticks(range(len(networks)), _names(networks))
    ax.set_ylim(len(networks) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_title(link.title)
    ax.set_xlabel(link.marks, fontsize=style.TICK_SIZE)
    return panels.keep_inside(ax)


def stall_figure(frame: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw all links side by side; two in a row if the figure is narrow.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.stall_over_seeds`.
    width : float
        Inches.
    """
    style.require(frame, ("n", *(column for link in LINKS for column in _columns(link))), _SOURCE)
    found = ordered(frame)
    links = [link for link in LINKS if found[link.filled].notna().any()]
    left = 0.1 + _LETTER * max(map(columns_of, _names(style.each_network(found))))
    columns = min(len(links), max(1, int((width - left - _RIGHT + _GAP) / (_PANEL + _GAP))))
    rows = -(-len(links) // columns)
    height = rows * (_ROW * len(found) + 0.85) + 0.85
    with style.context():
        figure, axes = panels.subplots(width, height, rows, columns, sharey=True)
        for ax, link in zip(axes.flat, links, strict=False):
            stall_link(found, ax, link=link)
        for ax in axes.flat[len(links) :]:
            ax.remove()
        panels.finish(
            figure,
            title=text("figure.stall.title"),
            subtitle=text("figure.stall.subtitle"),
            handles=_handles(found),
            note=f"{text('figure.stall.note')}\n{style.seeds_text(found['n'])}",
            margins=panels.Margins(left=left, right=_RIGHT, top=0.4, columns=_GAP, rows=0.85),
        )
    return figure


def _columns(link: Link) -> tuple[str, ...]:
    """Return the columns that a panel draws."""
    drawn = [name for name in (link.hollow, link.filled) if name]
    return ("family", "depth", *(f"{name}{end}" for name in drawn for end in _BOUNDS))


def _names(networks: Iterable[tuple[style.Look, pd.DataFrame]]) -> list[str]:
    """Return what the rows are called, from the top down."""
    labels = [look.label for look, _ in networks]
    shown = short_names(labels, _LONGEST)
    return [shown[label] for label in labels]


def ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the networks in the order in which they are drawn: by depth, families side by side."""
    return pd.concat([rows for _, rows in style.each_network(frame)], ignore_index=True)


def _interval(ax: Axes, place: int, row: pd.Series[Any], link: Link, look: style.Look) -> None:
    """Draw the filled mark and its interval; decades and errors may be bounded by nothing but their seeds."""
    mean, low, high = (row[f"{link.filled}{end}"] for end in ("", "_low", "_high"))
    if np.isfinite(low) and np.isfinite(high):
        if link.scale == "error":
            low, high = max(low, 0.0), min(high, 1.0)
        ax.plot(
            [low, high], [place, place], color=look.color, linewidth=2.4, alpha=0.35, solid_capstyle="butt", zorder=2
        )
    ax.plot(mean, place, marker=look.marker, color=look.color, zorder=4)


def _axis(ax: Axes, frame: pd.DataFrame, link: Link, drawn: list[str]) -> None:
    """Scale the x axis for what is drawn, with room for the marks at its ends."""
    columns = [*drawn, f"{link.filled}_low", f"{link.filled}_high"]
    values = frame[columns].to_numpy(dtype=np.float64).ravel()
    values = values[np.isfinite(values)]
    if np.isfinite(link.neutral):
        values = np.append(values, link.neutral)
    if link.scale == "error":
        top = min(1.0, max(float(values.max(initial=0.0)) * 1.05, _ERROR_SPAN))
        ax.set_xlim(-0.07 * top, 1.07 * top)
        ax.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        written = text("unit.percent", value="{}")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: written.format(f"{100 * value:g}")))
    elif link.scale == "log":
        _log(ax, values[values > 0])
    else:
        _decades(ax, values)
    ax.grid(axis="x", color=GRID, linewidth=0.5)
    ax.set_axisbelow(True)


def _log(ax: Axes, values: Iterable[float]) -> None:
    exponents = np.log10(list(values) or [1.0])
    low, high = float(exponents.min()), float(exponents.max())
    margin = max(0.09 * (high - low), 0.1)
    ax.set_xscale("log")
    ax.set_xlim(10 ** (low - margin), 10 ** (high + margin))
    ax.xaxis.set_major_locator(LogLocator(numticks=3))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))
    ax.xaxis.set_minor_locator(NullLocator())


def _decades(ax: Axes, values: Any) -> None:
    """Show decades as the powers of ten that they are, on a linear axis."""
    low, high = float(values.min()), float(values.max())
    margin = max(0.09 * (high - low), 0.3)
    ax.set_xlim(low - margin, high + margin)
    ax.xaxis.set_major_locator(MaxNLocator(3, integer=True, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(10.0**value)))


def _handles(frame: pd.DataFrame) -> list[Line2D]:
    """Return the families' marks; depths are named in the rows."""
    families = in_order(frame["family"])
    labels = short_names(families)
    marks = [(labels[family], style.family_style(family, families).marker) for family in families]
    return [Line2D([], [], linestyle="", marker=mark, color=style.NEUTRAL, label=name) for name, mark in marks]
