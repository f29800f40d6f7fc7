"""How fast do gradients vanish or explode at initialisation? Measured norms beside their closed forms."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from gradflow import theory
from gradflow.figures.names import short_names
from gradflow.plots import panels, style
from gradflow.plots.measure import legend_columns, text_width, wrapped
from gradflow.plots.scales import LogScale, edge_handles, log_axis
from gradflow.text import text

GradientMeasure = Literal["out_grad_norm", "grad_norm"]

COLUMNS = ("setting", "label", "measure", "layer_depth", "mean", "low", "high", "n", "predicted")
# Depth is the same throughout, so colour is free: one and a marker for each setting, all with a contrast above 3 : 1
# on white. Settings that vanish are warm or blue, those that hold or explode are dark or green.
_MARKS = (
    ("#882255", "o"),
    ("#c8506e", "s"),
    ("#0072b2", "^"),
    ("#7a5c00", "D"),
    ("#d55e00", "v"),
    ("#404040", "P"),
    ("#117733", "X"),
    ("#2a8f86", "<"),
)
WIDE_HEIGHT, NARROW_HEIGHT = 3.2, 4.2  # inches; the narrow figure has its legend under the axes
UNDER_X_LABEL, UNDER_Y_LABEL = 0.45, -0.55  # inches from the axes to a legend under their labels
BESIDE_GAP, BESIDE = 0.1, 2.15  # inches from the axes to a legend beside them, and for it
LEAST_BESIDE = 3.0  # inches of axes beside a legend, which stands under narrower ones
ABOVE_LEGEND = 0.6  # of the height of axes, for the words beside them, where a legend takes some of it
_HANDLE = 0.55  # inches of a legend's entry beside its label, and around it
_USUAL_LINES = 6  # of a legend under the axes, for which the narrow figure has room
_MARK_EVERY = 3  # layers between two markers
_LINE_ALPHA, _BAND_ALPHA = 0.5, 0.2
# Measured lines are broad and pale, so that the closed form is seen on top of them where the two agree; the toy, which
# agrees with one of them too, is rings between the markers.
_FORM: dict[str, Any] = {"color": "#101010", "linestyle": (0, (4, 2)), "linewidth": 0.8}
_TOY: dict[str, Any] = {
    "color": style.NEUTRAL,
    "linestyle": (0, (1, 2)),
    "linewidth": 0.8,
    "marker": "o",
    "markersize": 4,
    "markerfacecolor": "white",
    "markeredgewidth": 0.9,
    "zorder": 5,
}


class _Mark(NamedTuple):
    color: str
    marker: str
    label: str


def vanishing(frame: pd.DataFrame, ax: Axes | None = None, *, measure: GradientMeasure = "out_grad_norm") -> Axes:
    """Draw gradient norms relative to the last hidden layer's against layer depth, one line per setting.

    Lines that fall towards the input (left) vanish, lines that rise explode; straight ones do so by a
    constant factor per layer. Look at both measures: without bias and norm a ReLU network's weight gradients
    are equally large in every layer while its activation gradients vanish.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.vanishing_profile`.
    ax : Axes, optional
        The current axes by default; made smaller where words around them would leave their figure.
    measure : "out_grad_norm" or "grad_norm"
        Gradient with respect to the layers' outputs or to their parameters.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows of the measure.
    """
    ax, handles, n = _drawn(frame, style.current_axes(ax), measure)
    beside = _has_room(ax, handles)
    _legend(ax, handles, n, beside=beside)
    height = ax.get_window_extent().height / ax.figure.dpi * (1 if beside else ABOVE_LEGEND)
    ax.set_ylabel(wrapped(ax.get_ylabel(), height, float(ax.yaxis.label.get_fontsize())))
    return panels.keep_inside(ax)


def vanishing_figure(
    frame: pd.DataFrame, width: float = style.DOUBLE, *, measure: GradientMeasure = "out_grad_norm"
) -> Figure:
    """Draw `vanishing` as a figure of the given width in inches."""
    with style.context():
        figure, axes = panels.subplots(width, WIDE_HEIGHT if width >= panels.WIDE else NARROW_HEIGHT)
        ax, handles, n = _drawn(frame, axes.flat[0], measure)
        _legend(ax, handles, n, beside=width >= panels.WIDE)
        labels = [str(handle.get_label()) for handle in handles]
        lines = 1 + -(-len(labels) // _columns(labels, width))
        if width < panels.WIDE:
            figure.set_size_inches(width, NARROW_HEIGHT + max(0, lines - _USUAL_LINES) * panels.LINE_HEIGHT)
        under = panels.Margins(bottom=UNDER_X_LABEL + panels.legend_height(lines))
        longest = max(text_width(label, style.TICK_SIZE) for label in labels) + _HANDLE
        panels.arrange(figure, panels.Margins(right=max(BESIDE, longest)) if width >= panels.WIDE else under)
    return figure


def setting_colors(frame: pd.DataFrame) -> dict[str, str]:
    """Return each setting's label and its colour on white, in the order of the frame."""
    labels = frame.drop_duplicates("setting")["label"]
    return {str(label): mark.color for label, mark in zip(labels, _marks(frame).values(), strict=True)}


def _drawn(frame: pd.DataFrame, ax: Axes, measure: str) -> tuple[Axes, list[Line2D], pd.Series[Any]]:
    """Return the axes with all lines, and what their legend is to say."""
    style.require(frame, COLUMNS, "gradflow.analysis.vanishing_profile")
    rows = frame[frame["measure"] == measure]
    style.require(rows, COLUMNS, "gradflow.analysis.vanishing_profile")
    last = int(rows["layer_depth"].max())
    toy = theory.toy(layers=last - 1)[::-1]
    zeros, nonfinite = bool((rows["mean"] == 0).any()), bool(np.isinf(rows["mean"]).any())
    drawn = [*rows["mean"], *rows["low"], *rows["high"], *rows["predicted"], *toy]
    scale = log_axis(ax, drawn, zeros=zeros, nonfinite=nonfinite)
    marks = _marks(frame)
    ax.plot(np.arange(1, last + 1), toy, markevery=(1, _MARK_EVERY), **_TOY)
    for setting, line in rows.groupby("setting", sort=False):
        _draw(ax, line.sort_values("layer_depth"), marks[str(setting)], scale)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=2))
    ax.set_xlim(0.5, last + 0.5)
    ax.set_xlabel(text("figure.vanishing.x"))
    ax.set_ylabel(text("figure.vanishing.y"))
    ax.set_title(text(f"figure.vanishing.title.{measure}"))
    return ax, [*_handles(rows, marks), *edge_handles(zeros=zeros, nonfinite=nonfinite)], rows["n"]


def _draw(ax: Axes, line: pd.DataFrame, mark: _Mark, scale: LogScale) -> None:
    """Draw one setting: its mean, its band and its closed form."""
    layer = line["layer_depth"].to_numpy()
    ax.fill_between(layer, line["low"], line["high"], color=mark.color, alpha=_BAND_ALPHA, linewidth=0)
    every = list(range(0, len(line) - 1, _MARK_EVERY))  # not the last layer, where all lines meet
    ax.plot(layer, scale.place(line["mean"]), label=mark.label, markevery=every, zorder=3, **_measured(mark))
    if line["predicted"].notna().any():
        ax.plot(layer, line["predicted"], zorder=4, **_FORM)


def _measured(mark: _Mark) -> dict[str, Any]:
    """Return how a measured line looks: the line pale, its markers in full colour."""
    return {
        "color": to_rgba(mark.color, _LINE_ALPHA),
        "linewidth": 3.0,
        "marker": mark.marker,
        "markersize": 6.0,
        "markerfacecolor": mark.color,
        "markeredgecolor": "white",
        "markeredgewidth": 0.5,
    }


def _marks(frame: pd.DataFrame) -> dict[str, _Mark]:
    """Return colour, marker and name of each setting, the same for both measures."""
    labels = frame.drop_duplicates("setting")[["setting", "label"]].astype("str")
    names = short_names(labels["label"])
    return {
        setting: _Mark(*_MARKS[index % len(_MARKS)], names[label])
        for index, (setting, label) in enumerate(labels.itertuples(index=False))
    }


def _handles(rows: pd.DataFrame, marks: dict[str, _Mark]) -> list[Line2D]:
    """Return legend entries in the order in which the lines reach the input, largest first."""
    ends = rows.sort_values("layer_depth").groupby("setting")["mean"].first().sort_values(ascending=False)
    handles = []
    for setting in ends.index:
        mark = marks[str(setting)]
        handles.append(Line2D([], [], label=mark.label, **_measured(mark)))
    if rows["predicted"].notna().any():
        handles.append(Line2D([], [], label=text("head.closed_form"), **_FORM))
    return [*handles, Line2D([], [], label=text("figure.vanishing.toy", factor=f"{theory.TOY_FACTOR:g}"), **_TOY)]


def _columns(labels: list[str], width: float) -> int:
    return legend_columns(labels, width - 2 * BESIDE_GAP, panels.legend_size())


def _has_room(ax: Axes, handles: list[Line2D]) -> bool:
    """Whether axes that are made smaller for a legend beside them are still wide enough."""
    size = panels.legend_size()
    labels = max(text_width(str(handle.get_label()), size) for handle in handles)
    taken = BESIDE_GAP + labels + _HANDLE * size / style.TICK_SIZE
    own, inch = ax.get_window_extent(), ax.figure.dpi
    free = (ax.figure.bbox.x1 - own.x1) / inch
    return bool(own.width / inch - max(0.0, taken - free) >= LEAST_BESIDE)


def _legend(ax: Axes, handles: list[Line2D], n: pd.Series[Any], *, beside: bool) -> None:
    """Put the legend beside the axes or under them."""
    shift = (BESIDE_GAP, 0.0) if beside else (UNDER_Y_LABEL, -UNDER_X_LABEL * panels.label_scale(ax))
    labels = [str(handle.get_label()) for handle in handles]
    ax.legend(
        handles=handles,
        title=text("figure.mean_and", seeds=style.seeds_text(n)),
        alignment="left",
        loc="center left" if beside else "upper left",
        bbox_to_anchor=(1, 0.5) if beside else (0, 0),
        bbox_transform=ax.transAxes + ScaledTranslation(*shift, ax.figure.dpi_scale_trans),
        ncols=1 if beside else _columns(labels, ax.figure.bbox.width / ax.figure.dpi),
        borderaxespad=0,
        handlelength=2.6,
        columnspacing=1.0,
    )
