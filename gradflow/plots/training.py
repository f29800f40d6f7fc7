"""Does training get anywhere? Errors, or losses where there are none, against the step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gradflow.analysis.runs import majority_error
from gradflow.figures.names import shorten
from gradflow.plots import panels, style
from gradflow.plots.majority import draw_majority, majority_handle
from gradflow.plots.scales import LogScale, edge_handles, log_axis, percent_axis
from gradflow.text import text

_PANEL_HEIGHT = 1.55  # inches
_THIN = 0.7
_COLUMNS = ("run", "family", "depth", "step", "train_error")
_SOURCE = "gradflow.analysis.training"
_WINDOW_COLUMNS = ("run", "step", "mean", "window")
_WINDOW_SOURCE = "gradflow.analysis.window_means"
_LOSS_COLUMNS = ("run", "family", "depth", "step", "mean", "window")
_LOSS_SOURCE = 'gradflow.analysis.window_means(frame, window=..., measure="loss")'
_TITLE_LENGTH = 26  # characters of a run's name over its panel


def training_curve(
    frame: pd.DataFrame,
    windows: pd.DataFrame,
    ax: Axes | None = None,
    *,
    looks: Mapping[style.Network, style.Look] | None = None,
) -> Axes:
    """Draw each run's minibatch error as a thin line, and its measured training error as markers.

    Markers that fall show a network that learns; a flat line from the start, one that never did.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.training`. The training error of always answering the most frequent class is a dotted
        line, where all runs have the same.
    windows : DataFrame
        From `gradflow.analysis.window_means`; the axis label names its window. A window of 1 is the raw
        error.
    ax : Axes, optional
        The current axes by default.
    looks : mapping, optional
        From `gradflow.plots.style.looks` of a larger comparison, so that colours agree with it.

    Raises
    ------
    ValueError
        A frame lacks a column, or holds no error at all.
    """
    _require_errors(frame, windows)
    given, ax = ax, style.current_axes(ax)
    for look, rows in style.each_network(frame, looks):
        for run, measured in rows.groupby("run"):
            thin = windows[windows.run == run]
            ax.plot(thin["step"], thin["mean"], color=look.color, linestyle=look.linestyle, linewidth=_THIN, alpha=0.7)
            known = measured[measured.train_error.notna()]
            ax.plot(known.step, known.train_error, color=look.color, marker=look.marker, linestyle="", clip_on=False)
    majority = majority_error(frame)
    if majority is not None:
        draw_majority(ax, majority)
    percent_axis(ax)
    ax.set_ylim(0, 1)
    ax.set_xlabel(text("figure.step"))
    ax.set_ylabel(text("figure.error"))
    return style.keyed(ax, given, [*style.legend_handles(frame), *_majority(frame)])


def training_curves(frame: pd.DataFrame, windows: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `training_curve` once per depth, and once per run that has no depth."""
    _require_errors(frame, windows)
    looks = style.looks(frame)
    groups = _groups(frame)
    with style.context():
        figure, axes = panels.panel_grid(len(groups), width, _PANEL_HEIGHT)
        for ax, (group, rows) in zip(axes, groups, strict=True):
            training_curve(rows.assign(constant_error=majority_error(frame)), windows, ax, looks=looks)
            ax.set_title(_title(group, width))
        panels.label_outer(axes, text("figure.step"), text("figure.error"))
        handles = [*_without_depths(style.legend_handles(frame, markers=True)), *_kinds(windows), *_majority(frame)]
        panels.finish(figure, title=text("figure.training.title"), subtitle="", handles=handles, note=_note(frame))
    return figure


def loss_curve(
    windows: pd.DataFrame,
    ax: Axes | None = None,
    *,
    looks: Mapping[style.Network, style.Look] | None = None,
    scale: LogScale | None = None,
) -> Axes:
    """Draw each run's loss, for runs that recorded no error.

    A loss that falls shows a network that learns; one that leaves the finite numbers, a training that diverged.

    Parameters
    ----------
    windows : DataFrame
        From `gradflow.analysis.window_means(..., measure="loss")`.
    ax : Axes, optional
        The current axes by default.
    looks : mapping, optional
        From `gradflow.plots.style.looks` of a larger comparison, so that colours agree with it.
    scale : LogScale, optional
        Of axes that are shared and scaled already.

    Raises
    ------
    ValueError
        The frame lacks a column, or holds no loss.

    Notes
    -----
    The axis is logarithmic where every loss is positive, else linear. An infinite loss is a cross on top of a
    logarithmic axis.
    """
    style.require(windows, _LOSS_COLUMNS, _LOSS_SOURCE, "windows")
    given, ax = ax, style.current_axes(ax)
    edges = scale or _loss_axis(ax, windows)
    for look, rows in style.each_network(windows, looks):
        for _, run in rows.groupby("run"):
            marker = look.marker if len(run) == 1 else ""
            finite = run["mean"].where(np.isfinite(run["mean"]))
            ax.plot(run.step, finite, color=look.color, linestyle=look.linestyle, marker=marker, linewidth=_THIN)
            gone = run.step[np.isinf(run["mean"])]
            if edges is not None and len(gone):
                ax.plot(gone, [edges.nonfinite] * len(gone), color=look.color, marker="x", linestyle="")
    ax.set_xlabel(text("figure.step"))
    ax.set_ylabel(_loss_label(windows))
    return style.keyed(ax, given, style.legend_handles(windows))


def loss_curves(windows: pd.DataFrame, width: float = style.DOUBLE) -> Figure:
    """Draw `loss_curve` once per depth, and once per run that has no depth."""
    style.require(windows, _LOSS_COLUMNS, _LOSS_SOURCE, "windows")
    looks = style.looks(windows)
    groups = _groups(windows)
    window = int(windows.window.iloc[0])
    with style.context():
        figure, axes = panels.panel_grid(len(groups), width, _PANEL_HEIGHT)
        for ax, (group, rows) in zip(axes, groups, strict=True):
            loss_curve(rows, ax, looks=looks, scale=_loss_axis(ax, windows))
            ax.set_title(_title(group, width))
        panels.label_outer(axes, text("figure.step"), _loss_label(windows))
        panels.finish(
            figure,
            title=text("figure.training.title"),
            subtitle=text("figure.training.windows.loss", window=window)
            if window > 1
            else text("figure.training.loss"),
            handles=[
                *_without_depths(style.legend_handles(windows)),
                *edge_handles(zeros=False, nonfinite=bool(np.isinf(windows["mean"]).any())),
            ],
            note=_note(windows),
        )
    return figure


def _loss_label(windows: pd.DataFrame) -> str:
    return text("figure.loss_log" if (windows["mean"] > 0).all() else "head.loss")


def _loss_axis(ax: Axes, windows: pd.DataFrame) -> LogScale | None:
    """Make the axis logarithmic where every loss is positive."""
    if not (windows["mean"] > 0).all():
        return None
    return log_axis(ax, windows["mean"], nonfinite=bool(np.isinf(windows["mean"]).any()))


def _groups(frame: pd.DataFrame) -> list[tuple[Any, pd.DataFrame]]:
    """Return the rows of each depth, then those of each run without one."""
    return [*frame[frame.depth.notna()].groupby("depth"), *frame[frame.depth.isna()].groupby("family")]


def _title(group: Any, width: float) -> str:
    most = _TITLE_LENGTH if width >= panels.WIDE else _TITLE_LENGTH // 2
    return shorten(group, most) if isinstance(group, str) else text("figure.of_depth", depth=group)


def _require_errors(frame: pd.DataFrame, windows: pd.DataFrame) -> None:
    """Raise ValueError if an argument lacks a column, or neither holds an error."""
    style.require(frame, _COLUMNS, _SOURCE)
    style.require_columns(windows, _WINDOW_COLUMNS, _WINDOW_SOURCE, "windows")
    if windows.empty and frame.train_error.isna().all():
        raise ValueError("frame and windows hold no error, so there is nothing to draw: no error was recorded.")


def _note(frame: pd.DataFrame) -> str:
    n = frame.groupby(["family", "depth"], dropna=False).run.nunique()
    return text("figure.training.one_run") if n.max() == 1 else text("figure.training.seeds", n=n.max())


def _majority(frame: pd.DataFrame) -> list[Line2D]:
    """Return the legend's entry of always answering the most frequent class, where it is drawn."""
    return [] if majority_error(frame) is None else [majority_handle()]


def _without_depths(handles: list[Line2D]) -> list[Line2D]:
    """Return the legend without the depths: each panel's title says its own."""
    return [handle for handle in handles if handle.get_linewidth() != style.DEPTH_LINE]


def _kinds(windows: pd.DataFrame) -> list[Line2D]:
    window = int(windows.window.iloc[0]) if len(windows) else 1
    smoothed = (
        text("figure.training.windows.batch_error", window=window) if window > 1 else text("figure.training.batch")
    )
    return [
        Line2D([], [], color=style.FAINT, linewidth=_THIN, label=smoothed),
        Line2D([], [], color=style.FAINT, linestyle="", marker="o", label=text("figure.training.whole")),
    ]
