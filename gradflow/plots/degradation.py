"""Do deeper networks train worse? Errors after training against depth."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gradflow.analysis.runs import majority_error
from gradflow.figures.names import in_order, short_names
from gradflow.plots import panels, style
from gradflow.plots.depth_axis import depth_axis, draw_depths
from gradflow.plots.majority import draw_majority, is_near, majority_handle
from gradflow.plots.paired import (
    PAIRS,
    PAIRS_SOURCE,
    interval_bar,
    mean_note,
    paired_difference,
    settings_handles,
)
from gradflow.plots.published import draw_published, of_measure, published_handles
from gradflow.plots.scales import percent_axis
from gradflow.text import text

ErrorMeasure = Literal["train_error", "test_error"]

_HEADROOM = 1.35  # of the axis over the largest error
_SEED_DODGE = 0.012  # of the span of depths: seeds stand beside their mean
_SEED_ALPHA = 0.6
_HEIGHT, _STACKED = 2.75, 2.45  # inches of a figure with its panels side by side, and of a panel under another
_MARGINS = panels.Margins(left=0.66, right=0.15, bottom=panels.LABEL_HEIGHT, columns=0.75)


def degradation(
    frame: pd.DataFrame,
    over_seeds: pd.DataFrame,
    ax: Axes | None = None,
    *,
    measure: ErrorMeasure = "train_error",
    published: pd.DataFrame | None = None,
) -> Axes:
    """Draw errors after training against depth, one line per family.

    Look here first: a plain line that rises with depth while the residual one stays low is the degradation of
    He et al. 2015 (fig. 1 and 6); a test error that rises alone would be overfitting.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.degradation`: every run is a point, a cross if it diverged. The training error of always
        answering the most frequent class is a dotted line, where all runs have the same and some come near it.
    over_seeds : DataFrame
        From `gradflow.analysis.degradation_over_seeds`: lines are means, bars 95 % intervals over seeds.
    ax : Axes, optional
        The current axes by default; made smaller where words around them would leave their figure.
    measure : "train_error" or "test_error"
        Fractions; the axis shows percent.
    published : DataFrame, optional
        From `gradflow.analysis.published`: what others published, as hollow grey markers, and illustrations, as
        faint lines; never joined with what was measured. Rows of the other measure are left out.

    Raises
    ------
    ValueError
        A frame lacks a column or has no rows.
    """
    n = "n" if measure == "train_error" else "n_test"
    means = ("family", "depth", "n", n, measure, f"{measure}_low", f"{measure}_high")
    style.require(frame, ("family", "depth", "diverged", measure), "gradflow.analysis.degradation")
    style.require(over_seeds, means, "gradflow.analysis.degradation_over_seeds", "over_seeds")
    ax = style.current_axes(ax)
    found = style.looks(over_seeds)
    known_elsewhere = of_measure(published, measure)
    axis = depth_axis(found, known_elsewhere["depth"])
    places = axis.places
    draw_published(ax, known_elsewhere, axis, over_seeds.family)
    for family, rows in over_seeds.groupby("family", sort=True):
        known = rows[rows.depth.notna()].sort_values("depth")
        line = style.family_style(str(family), over_seeds.family)
        positions = [places[style.network(str(family), depth)] for depth in known.depth]
        ax.plot(positions, known[measure], color=style.NEUTRAL, linestyle=line.linestyle, linewidth=1, zorder=2)
    for row in over_seeds.to_dict("records"):
        key = style.network(row["family"], row["depth"])
        _mean_and_interval(ax, places[key], row, measure, found[key])
    for run in _drawn_runs(frame).to_dict("records"):
        key = style.network(run["family"], run["depth"])
        place = places[key]
        if key[1] is not None:  # beside the mean, away from the other family
            place += np.sign(place - axis.at(key[1]) or 1) * _SEED_DODGE * axis.span
        _one_run(ax, place, run, measure, found[key])
    draw_depths(ax, axis, mean_note(over_seeds[n]), known_elsewhere["depth"])
    percent_axis(ax)
    majority = _majority(frame, measure)
    shown = [frame[measure], over_seeds[f"{measure}_high"], known_elsewhere["error"]]
    if majority is not None:
        draw_majority(ax, majority)
        shown.append(pd.Series([majority / _HEADROOM]))
    _error_limits(ax, pd.concat(shown))
    error = text(f"measure.{measure}")
    ax.set_ylabel(text("figure.degradation.y", error=error))
    ax.set_title(text("figure.degradation.title", error=error))
    handles = _handles(frame, over_seeds, measure)
    panels.axes_legend(ax, [*handles, *published_handles(known_elsewhere, over_seeds.family)])
    return panels.keep_inside(ax)


def degradation_figure(
    frame: pd.DataFrame,
    over_seeds: pd.DataFrame,
    differences: pd.DataFrame,
    width: float = style.DOUBLE,
    *,
    measure: ErrorMeasure = "train_error",
    published: pd.DataFrame | None = None,
) -> Figure:
    """Draw `degradation` and, where there are pairs, `paired_difference`; stacked if the figure is narrow."""
    style.require_columns(differences, PAIRS, PAIRS_SOURCE, "differences")
    count = 1 + bool(len(differences))
    wide = width >= panels.WIDE
    with style.context():
        rows, columns = (1, count) if wide else (count, 1)
        figure, axes = panels.subplots(width, _HEIGHT if wide else _STACKED * count, rows, columns)
        gap = panels.LABEL_HEIGHT + _MARGINS.top + 0.05
        panels.arrange(figure, _MARGINS._replace(rows=gap))
        degradation(frame, over_seeds, axes.flat[0], measure=measure, published=published)
        if count == 2:
            paired_difference(differences, axes.flat[1])
        for ax in axes.flat:
            legend = ax.get_legend()
            if legend is not None:
                legend.remove()
        handles = _handles(frame, over_seeds, measure)
        handles += published_handles(of_measure(published, measure), over_seeds.family)
        if count == 2:
            handles += settings_handles(differences)
        margins = _MARGINS._replace(rows=gap)
        panels.finish(figure, title="", subtitle="", handles=handles, note="", margins=margins)
    return figure


def _mean_and_interval(ax: Axes, place: float, row: dict[Any, Any], measure: str, look: style.Look) -> None:
    mean = row[measure]
    errors = interval_bar(mean, row[f"{measure}_low"], row[f"{measure}_high"])
    ax.errorbar(place, mean, yerr=errors, color=look.color, marker=look.marker, capsize=3, linestyle="", zorder=3)


def _drawn_runs(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the runs to be drawn beside their mean: not a lone one, which is the mean, unless it diverged."""
    alone = ~frame.duplicated(["family", "depth"], keep=False)
    return frame[~alone | frame.diverged]


def _one_run(ax: Axes, place: float, run: dict[Any, Any], measure: str, look: style.Look) -> None:
    """Draw one seed: a ring, or a cross if its training diverged."""
    if run["diverged"]:
        ax.scatter(place, run[measure], s=20, marker="x", color=look.color, linewidths=1, zorder=4)
    else:
        shape: dict[str, Any] = {"marker": look.marker, "facecolors": "none", "edgecolors": look.color}
        ax.scatter(place, run[measure], s=12, alpha=_SEED_ALPHA, linewidths=0.8, zorder=4, **shape)


def _error_limits(ax: Axes, values: pd.Series[Any]) -> None:
    """Show fractions from 0; an interval that leaves [0, 1] is cut there, as the error cannot."""
    highest = float(values.max()) if values.notna().any() else 1.0
    top = min(1.0, max(_HEADROOM * highest, 0.05))
    ax.set_ylim(-0.03 * top, 1.03 * top)


def _majority(frame: pd.DataFrame, measure: str) -> float | None:
    """Return the training error of always answering the most frequent class, where it is to be drawn."""
    found = majority_error(frame) if measure == "train_error" else None
    return found if is_near(found, frame["train_error"]) else None


def _handles(frame: pd.DataFrame, over_seeds: pd.DataFrame, measure: str) -> list[Line2D]:
    handles = []
    families = in_order(over_seeds.family[over_seeds.depth.notna()])
    labels = short_names(families)
    for family in families:
        line = style.family_style(family, over_seeds.family)
        handles.append(
            Line2D([], [], color=style.NEUTRAL, linestyle=line.linestyle, marker=line.marker, label=labels[family])
        )
    if over_seeds.n.max() > 1:
        ring: dict[str, Any] = {"markerfacecolor": "none", "markeredgecolor": style.NEUTRAL}
        handles.append(Line2D([], [], linestyle="", marker="o", label=text("figure.one_seed"), **ring))
    if frame.diverged.any():
        handles.append(
            Line2D([], [], linestyle="", marker="x", color=style.NEUTRAL, label=text("terminal.status.diverged"))
        )
    return handles if _majority(frame, measure) is None else [*handles, majority_handle()]
