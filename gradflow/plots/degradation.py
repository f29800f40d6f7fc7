"""Do deeper networks train worse? Errors after training against depth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gradflow.plots import panels, style
from gradflow.plots.names import in_order, short_names, shorten
from gradflow.plots.scales import percent_axis
from gradflow.text import text

ErrorMeasure = Literal["train_error", "test_error"]

# Of the span of depths: families that share a value stay visible side by side, and seeds beside their mean.
_DODGE = 0.02
_SEED_DODGE = 0.012
_SEED_ALPHA = 0.6
_BARE_SPAN = 20.0  # layers, where there is only one depth
_BARE_BOTTOM = panels.LABEL_HEIGHT + 0.05  # inches under a panel without a legend
_MAX_TICKS = {True: 12, False: 6}  # depths named on a wide and on a narrow axis


def degradation(
    frame: pd.DataFrame,
    over_seeds: pd.DataFrame,
    ax: Axes | None = None,
    *,
    measure: ErrorMeasure = "train_error",
) -> Axes:
    """Draw errors after training against depth, one line per family.

    Look here first: a plain line that rises with depth while the residual one stays low is the degradation of
    He et al. 2015 (fig. 1 and 6); a test error that rises alone would be overfitting.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.degradation`: every run is a point, a cross if it diverged.
    over_seeds : DataFrame
        From `gradflow.analysis.degradation_over_seeds`: lines are means, bars 95 % intervals over seeds.
    ax : Axes, optional
        The current axes by default.
    measure : "train_error" or "test_error"
        Fractions; the axis shows percent.

    Raises
    ------
    ValueError
        A frame lacks a column or has no rows.
    """
    style.require(frame, ("family", "depth", "diverged", measure), "gradflow.analysis.degradation")
    style.require(over_seeds, ("n", f"{measure}_low"), "gradflow.analysis.degradation_over_seeds")
    ax = style.current_axes(ax)
    places = _places(over_seeds)
    found = style.looks(over_seeds)
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
            place += np.sign(place - key[1] or 1) * _SEED_DODGE * _depth_span(places)
        _one_run(ax, place, run, measure, found[key])
    n_measured = over_seeds["n" if measure == "train_error" else "n_test"]
    _depth_axis(ax, places, _mean_note(n_measured))
    percent_axis(ax)
    _error_limits(ax, pd.concat([frame[measure], over_seeds[f"{measure}_high"]]))
    error = text(f"figure.error.{measure}")
    ax.set_ylabel(text("figure.degradation.y", error=error))
    ax.set_title(text("figure.degradation.title", error=error))
    panels.axes_legend(ax, _handles(frame, over_seeds))
    return ax


def paired_difference(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the plain minus the residual error at each depth, paired by seed.

    An interval that excludes zero says that the families differ at that depth.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.paired_difference`.
    ax : Axes, optional
        The current axes by default.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows.
    """
    style.require(frame, ("depth", "n", "mean", "low", "high"), "gradflow.analysis.paired_difference")
    ax = style.current_axes(ax)
    depths = [int(depth) for depth in frame.depth]
    ax.axhline(0, color=style.NEUTRAL, linewidth=0.8)
    ax.plot(depths, frame["mean"], color=style.FAINT, linewidth=0.8, zorder=1)
    for depth, row in zip(depths, frame.to_dict("records"), strict=True):
        color = style.depth_color(depth, depths)
        errors = _bar(row["mean"], row["low"], row["high"])
        ax.errorbar(depth, row["mean"], yerr=errors, color=color, marker="o", capsize=3, linestyle="")
    _depth_axis(ax, {("", depth): float(depth) for depth in depths}, _mean_note(frame["n"]))
    percent_axis(ax)
    ax.set_ylabel(text("figure.difference.y"))
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:+g}".replace("-", "−").replace("+0", "0"))
    ax.set_title(text("figure.difference.title"))
    return ax


def degradation_figure(
    frame: pd.DataFrame,
    over_seeds: pd.DataFrame,
    differences: pd.DataFrame,
    *,
    measure: ErrorMeasure = "train_error",
    width: float = style.DOUBLE,
) -> Figure:
    """Draw `degradation` and, where there are pairs, `paired_difference`; stacked if the figure is narrow."""
    count = 1 + bool(len(differences))
    wide = width >= panels.WIDE
    with style.context():
        rows, columns = (1, count) if wide else (count, 1)
        figure, axes = panels.subplots(width, 2.9 if wide else 2.7 * count, rows, columns)
        legend = panels.LABEL_HEIGHT + panels.legend_height(-(-len(_handles(frame, over_seeds)) // 2))
        margins = panels.Margins(left=0.66, right=0.15, bottom=legend if wide else _BARE_BOTTOM, columns=0.75)
        if count == 1:
            margins = margins._replace(bottom=legend)
        panels.arrange(figure, margins._replace(rows=legend + margins.top))
        degradation(frame, over_seeds, axes.flat[0], measure=measure)
        if count == 2:
            paired_difference(differences, axes.flat[1])
    return figure


def _places(over_seeds: pd.DataFrame) -> dict[style.Network, float]:
    """Return each network's abscissa: its depth, families side by side; then runs without a depth."""
    networks = list(style.looks(over_seeds))
    depths = sorted({depth for _, depth in networks if depth is not None})
    families = in_order(family for family, depth in networks if depth is not None)
    span = _depth_span(networks)
    right = float(depths[-1]) if depths else 0.0
    places: dict[style.Network, float] = {}
    extra = 0
    for family, depth in networks:
        if depth is None:
            extra += 1
            places[family, depth] = right + span * 0.25 * extra
        else:
            shift = families.index(family) - (len(families) - 1) / 2
            places[family, depth] = depth + shift * _DODGE * span
    return places


def _depth_span(networks: Iterable[style.Network]) -> float:
    depths = [depth for _, depth in networks if depth is not None]
    return float(max(depths) - min(depths)) or _BARE_SPAN if depths else _BARE_SPAN


def _depth_axis(ax: Axes, places: dict[style.Network, float], note: str) -> None:
    """Put ticks at the depths measured, thinned where they would overlap, and at runs without a depth."""
    depths = sorted({depth for _, depth in places if depth is not None})
    nameless = {family: place for (family, depth), place in places.items() if depth is None}
    inches = ax.get_window_extent().width / ax.figure.dpi
    kept = list(_thinned(depths, _MAX_TICKS[inches > panels.WIDE / 2]))
    ax.set_xticks([*kept, *nameless.values()], [*map(str, kept), *(shorten(name, 14) for name in nameless)])
    span = max(places.values()) - min(places.values())
    margin = (0.3 if nameless else 0.08) * span if len(depths) + len(nameless) > 1 else _BARE_SPAN / 2
    ax.set_xlim(min(places.values()) - margin, max(places.values()) + margin)
    ax.set_xlabel(f"{text('figure.depth' if depths else 'figure.run')}\n{note}")


def _thinned(depths: list[int], most: int) -> Iterator[int]:
    """Yield depths far enough apart to be named, the first and the last among them."""
    if not depths:
        return
    gap = (depths[-1] - depths[0]) / most
    last = None
    for depth in depths:
        close_to_end = depth != depths[-1] and depths[-1] - depth < gap
        if last is None or (depth - last >= gap and not close_to_end) or depth == depths[-1]:
            yield depth
            last = depth


def _bar(mean: float, low: float, high: float) -> Any:
    """Return errorbar's yerr, or None where there is no interval."""
    return None if np.isnan(low) else [[mean - low], [high - mean]]


def _mean_and_interval(ax: Axes, place: float, row: dict[Any, Any], measure: str, look: style.Look) -> None:
    mean = row[measure]
    errors = _bar(mean, row[f"{measure}_low"], row[f"{measure}_high"])
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
    top = min(1.0, max(1.35 * highest, 0.05))
    ax.set_ylim(-0.03 * top, 1.03 * top)


def _mean_note(n: pd.Series[Any]) -> str:
    return text("figure.mean", seeds=style.seeds_text(n)) if int(n.max()) > 1 else style.seeds_text(n)


def _handles(frame: pd.DataFrame, over_seeds: pd.DataFrame) -> list[Line2D]:
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
        handles.append(Line2D([], [], linestyle="", marker="x", color=style.NEUTRAL, label=text("figure.diverged")))
    return handles
