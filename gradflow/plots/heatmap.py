"""Which layers, and when? Norms of all layers at all recorded steps, as colour."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import Bbox

from gradflow.analysis.nonfinite import arrived_nonfinite
from gradflow.analysis.profile import profile
from gradflow.analysis.variants import network_name
from gradflow.figures.axis_limits import SHORT
from gradflow.figures.columns import Data, frame_of, require
from gradflow.figures.looks import FAINT, Palette
from gradflow.figures.names import shorten
from gradflow.figures.panel_limit import few_enough, networks_note
from gradflow.figures.profile_figure import measure_name
from gradflow.plots import panels, style
from gradflow.recording import Recording
from gradflow.text import text
from gradflow.text.numbers import power_of_ten
from gradflow.text.widths import wrapped

MAP = "viridis"  # of the colours of values
ZERO_COLOR = "#9a9a9a"
NONFINITE_COLOR = "#d7301f"
_COLUMNS = ("run", "family", "depth", "seed", "step", "layer_depth", "status", "n_nonfinite")
_SOURCE = 'gradflow.analysis.profile(recordings, steps="recorded")'
_PANEL_HEIGHT = 1.5  # inches
_NOTE_CHARACTERS = 17  # to an inch, at the size of ticks
_BAR_GAP, _BAR_WIDTH = 0.1, 0.09  # inches between panels and the scale of colours, and of its width
_BAR_ROOM = 0.55  # inches of a scale beside each panel, with its numbers
_MARGINS = panels.Margins(left=0.6, right=0.6, columns=0.44, rows=0.5)
_MIN_TICKS = 3  # where there are so many cells
MAX_COLUMNS = 4  # even, so that two families stand side by side

Grid = np.ndarray[Any, np.dtype[np.float64]]


def heatmap(
    frame: Data,
    ax: Axes | None = None,
    *,
    measure: str = "grad_norm",
    norm: LogNorm | None = None,
    palette: Palette = MAP,
    title: str | None = None,
) -> Axes:
    """Draw one run's norms: steps from left to right, layers from the input (top) to the output, colour on a log scale.

    A row that changes colour names the layer, a column the step.

    Parameters
    ----------
    frame : DataFrame or recording
        Rows of one run from `gradflow.analysis.profile(recordings, steps="recorded")`.
    ax : Axes, optional
        The current axes by default.
    measure : str
        Column to draw.
    norm : LogNorm, optional
        Of several panels; by default from the smallest to the largest positive value.
    palette : str or sequence of str
        A palette of seaborn, or colours, from the smallest value to the largest.
    title : str, optional
        Of the axes.

    Raises
    ------
    ValueError
        The frame lacks a column, has no rows or several runs.

    Notes
    -----
    Exactly zero is grey, NaN and inf gradients are red, what was not measured stays white. Recorded steps are
    drawn at equal distances, and so are layers.
    """
    import seaborn  # here, because its import takes half a second and nothing else needs it

    frame = frame_of(frame, _recorded)
    require(frame, (*_COLUMNS, measure), _SOURCE)
    if frame.run.nunique() > 1:
        raise ValueError(f"frame must hold one run; got {', '.join(map(str, frame.run.unique()[:3]))}, ...")
    given, ax = ax, style.current_axes(ax)
    values, steps, depths = _grid(frame, measure)
    cells: dict[str, Any] = {"ax": ax, "rasterized": True, "xticklabels": False, "yticklabels": False}
    # Shown by itself, it must say what its colours are.
    bar = {"cbar": given is None, "cbar_kws": {"label": measure_name(measure)}}
    is_norm = (values > 0) & np.isfinite(values)
    norm = norm or _norm([frame[measure]])
    ends = {"norm": norm, "vmin": norm.vmin, "vmax": norm.vmax}
    seaborn.heatmap(values, mask=~is_norm, cmap=_colors(palette), **ends, **bar, **cells)
    for special, color in ((values == 0, ZERO_COLOR), (np.isinf(values), NONFINITE_COLOR)):
        if special.any():
            seaborn.heatmap(special, mask=~special, cmap=ListedColormap([color]), cbar=False, **cells)
    _ticks(ax.xaxis, steps, panels.X_TICKS)
    _ticks(ax.yaxis, depths, panels.X_TICKS)
    ax.set_xlabel(text("figure.recorded_step"))
    ax.set_ylabel(text("figure.layer_depth"))
    if title is not None:
        ax.set_title(title)
    return ax


def heatmaps(
    frame: Data,
    width: float = style.DOUBLE,
    *,
    measure: str = "grad_norm",
    diverged: Iterable[str] = (),
    shares_scale: bool = True,
    palette: Palette = MAP,
    title: str | None = None,
) -> Figure:
    """Draw `heatmap` once per network, its lowest seed or one that diverged.

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.profile(recordings, steps="recorded")`.
    width : float
        Inches.
    measure : str
        Column to draw.
    diverged : iterable of str
        Runs that diverged: of a network that has some, the one of lowest seed is drawn, and the note says so.
    shares_scale : bool
        Whether all panels have one scale of colours; else each has its own beside it, which shows what a network of
        small gradients has of structure.
    palette : str or sequence of str
        A palette of seaborn, or colours, from the smallest value to the largest.
    title : str, optional
        In place of gradflow's.
    """
    frame = frame_of(frame, _recorded)
    require(frame, (*_COLUMNS, measure), _SOURCE)
    gone = frozenset(diverged)
    every, frame = frame, few_enough(frame)
    runs, columns = _arranged(frame, gone, wide=width >= panels.WIDE)
    columns_of = [rows[measure] for rows in runs]
    norms = [_norm(columns_of)] * len(runs) if shares_scale else [_norm([column]) for column in columns_of]
    rows = -(-len(runs) // columns)
    with style.context():
        figure, axes = panels.subplots(width, rows * _PANEL_HEIGHT + panels.FRAME_HEIGHT, rows, columns)
        for ax in axes.flat[len(runs) :]:
            ax.remove()
        used = list(axes.flat[: len(runs)])
        for ax, run, norm in zip(used, runs, norms, strict=True):
            heatmap(run, ax, measure=measure, norm=norm, palette=palette)
        wider = _MARGINS._replace(columns=_MARGINS.columns + (0 if shares_scale else _BAR_ROOM))
        placed = panels.entitle(used, [_title(run) for run in runs], width, wider)
        panels.label_outer(used, text("figure.recorded_step"), text("figure.layer_depth"))
        subtitle = text("figure.log", quantity=measure_name(measure))
        margins = panels.finish(
            figure,
            title=text("figure.heatmap.title") if title is None else title,
            subtitle=subtitle,
            handles=_special(runs, measure),
            note="\n".join(filter(None, (_note(runs, gone, width), networks_note(frame, every)))),
            margins=placed,
        )
        width, height = (float(inches) for inches in figure.get_size_inches())
        if shares_scale:
            whole = margins.left / width, margins.bottom / height, 1 - margins.right / width, 1 - margins.top / height
            places = [Bbox.from_extents(*whole)]
        else:
            places = [ax.get_position() for ax in used]
        for place, norm in zip(places, norms, strict=False):
            _color_bar(figure, norm, palette, place)
    return figure


def _color_bar(figure: Figure, norm: LogNorm, palette: Palette, place: Bbox) -> None:
    """Put a scale of colours beside what has a place in the figure."""
    width = float(figure.get_size_inches()[0])
    at = place.x1 + _BAR_GAP / width, place.y0, _BAR_WIDTH / width, place.height
    low, high = norm.vmin or 1.0, norm.vmax or 1.0
    is_short = high / low <= SHORT
    ticks = FuncFormatter(lambda value, _: f"{value:g}" if is_short else power_of_ten(value))
    colors = mpl.cm.ScalarMappable(norm, _colors(palette))
    bar = figure.colorbar(colors, cax=figure.add_axes(at), format=ticks)
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if is_short else LogLocator(numticks=panels.Y_TICKS))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.tick_params(labelsize=style.TICK_SIZE)


def _arranged(frame: pd.DataFrame, diverged: frozenset[str], *, wide: bool) -> tuple[list[pd.DataFrame], int]:
    """Return one run per network, and columns: a row per family where the depths fit, else families side by side."""
    pairs = frame[["family", "depth"]].drop_duplicates()
    n_depths = pairs.depth.nunique(dropna=False)
    most = MAX_COLUMNS if wide else 2
    by_family = n_depths <= most and len(pairs) == n_depths * pairs.family.nunique()
    runs = _one_run_each(frame, ["family", "depth"] if by_family else ["depth", "family"], diverged)
    return runs, min(len(runs), n_depths if by_family else most)


def _one_run_each(frame: pd.DataFrame, order: list[str], diverged: frozenset[str]) -> list[pd.DataFrame]:
    """Return each network's rows of one seed, a diverged one before a lower one, in the order of the columns named."""
    runs = []
    for _, rows in frame.groupby(order, dropna=False, sort=True):
        by_seed = rows.drop_duplicates("run").sort_values("seed", kind="stable").run
        first = next((run for run in by_seed if run in diverged), by_seed.iloc[0])
        runs.append(rows[rows.run == first])
    return runs


def _title(rows: pd.DataFrame) -> str:
    family, depth = rows.iloc[0][["family", "depth"]]
    return str(family) if pd.isna(depth) else network_name(str(family), depth)


def _note(runs: list[pd.DataFrame], diverged: frozenset[str], width: float) -> str:
    """Return which seeds are drawn: the diverged ones by name, the lowest of all others."""
    parts = [_gone(rows) for rows in runs if rows.run.iloc[0] in diverged]
    others = [rows for rows in runs if rows.run.iloc[0] not in diverged]
    seeds = {str(rows.seed.iloc[0]) for rows in others if pd.notna(rows.seed.iloc[0])}
    which = {0: "run", 1: "seed"}.get(len(seeds), "lowest")
    whose = "other" if parts else "each"
    parts += [text(f"figure.drawn.{whose}.{which}", seed=min(seeds, default=""))] if others else []
    note = text("figure.list").join([*parts, text("figure.heatmap.first_layer")])
    return "\n".join(wrapped(note, int(width * _NOTE_CHARACTERS)))


def _gone(rows: pd.DataFrame) -> str:
    """Return that a network's run diverged, with its seed if it has one."""
    seed = rows.seed.iloc[0]
    if pd.isna(seed):
        return text("figure.heatmap.diverged", network=shorten(_title(rows)))
    return text("figure.heatmap.diverged_seed", network=shorten(_title(rows)), seed=seed)


def _grid(frame: pd.DataFrame, measure: str) -> tuple[Grid, list[int], list[int]]:
    """Return values (layer depths, steps), NaN where not measured and inf where not finite, with both axes."""
    table = frame.assign(_value=frame[measure].mask(arrived_nonfinite(frame, measure), np.inf))
    grid = table.pivot_table(index="layer_depth", columns="step", values="_value", aggfunc="first", dropna=False)
    return grid.to_numpy(dtype=np.float64), grid.columns.astype(int).tolist(), grid.index.astype(int).tolist()


def _ticks(axis: Any, places: list[int], most: int) -> None:
    """Name cells by round numbers, or some from end to end where too few of those have a cell."""
    chosen = [int(value) for value in MaxNLocator(most, integer=True).tick_values(places[0], places[-1])]
    found = [value for value in chosen if value in places]
    if len(found) < _MIN_TICKS:
        found = [places[place] for place in np.unique(np.linspace(0, len(places) - 1, _MIN_TICKS).round().astype(int))]
    axis.set_ticks([places.index(value) + 0.5 for value in found], [str(value) for value in found])


def _norm(columns: Iterable[pd.Series[Any]]) -> LogNorm:
    values = np.concatenate([column.to_numpy(dtype=np.float64) for column in columns])
    positive = values[(values > 0) & np.isfinite(values)]
    if not len(positive):
        return LogNorm(0.1, 1)
    low, high = float(positive.min()), float(positive.max())
    return LogNorm(low, high if high > low else low * 10)


def _colors(palette: Palette) -> Colormap:
    from seaborn import color_palette  # here, as above

    found = color_palette(palette, as_cmap=True) if isinstance(palette, str) else palette
    if not isinstance(found, Colormap):  # of a name that stands for few colours, or colours
        found = LinearSegmentedColormap.from_list("palette", list(found))
    return found.with_extremes(bad="white")


def _recorded(recordings: list[Recording]) -> pd.DataFrame:
    return profile(recordings, steps="recorded")


def _special(runs: list[pd.DataFrame], measure: str) -> list[Patch]:
    """Return legend entries for the three colours that are no values; the ones in use are enough."""
    grids = [_grid(rows, measure)[0] for rows in runs]
    entries = {
        text("figure.heatmap.zero"): (ZERO_COLOR, any((grid == 0).any() for grid in grids)),
        text("figure.heatmap.nonfinite"): (NONFINITE_COLOR, any(np.isinf(grid).any() for grid in grids)),
        text("value.missing"): ("white", any(np.isnan(grid).any() for grid in grids)),
    }
    return [Patch(facecolor=color, edgecolor=FAINT, label=name) for name, (color, used) in entries.items() if used]
