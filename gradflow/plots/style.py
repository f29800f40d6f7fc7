"""What every figure shares: colour is depth, line style is family; sizes, fonts, axes and legends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from gradflow.analysis.variants import network_name
from gradflow.plots.fonts import drawable
from gradflow.plots.names import in_order, short_names
from gradflow.text import text

SINGLE = 89 / 25.4  # inches: one column of a journal's two-column page, 89 mm
DOUBLE = 183 / 25.4  # inches: both columns, 183 mm
PRINT_DPI = 300

NEUTRAL = "#404040"
FAINT = "#8c8c8c"
# Places on inferno, deep to shallow, at distances that look alike with and without red-green blindness: of 12 depths
# neighbours differ by 5.4 in CAM02-UCS, by 5.3 under deuteranopia, 5.1 under protanopia, 3.5 under tritanopia. The
# last has a contrast of 3 : 1 on white (WCAG 1.4.11 for graphics); lightness is monotonic, so that the order of
# depths survives a grey print. Deep is dark.
DEPTH_MAP = "inferno"
_PLACES = (0.1, 0.145, 0.223, 0.32, 0.378, 0.424, 0.465, 0.503, 0.544, 0.582, 0.627, 0.679)
# Okabe and Ito's colours that are dark enough on white, for runs without a depth.
_WITHOUT_DEPTH = ("#0072B2", "#D55E00", "#007355", "#A65085", "#7A5C00", "#404040")

FONT_SIZE = 8.0
TICK_SIZE = 7.0
TITLE_SIZE = FONT_SIZE + 0.5
MOST_BANDS = 8  # more interval bands than this in one panel hide each other
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


class FamilyStyle(NamedTuple):
    """Line style and marker of one family."""

    linestyle: Any
    marker: str


class Look(NamedTuple):
    """How one network is drawn: colour by depth, line style and marker by family, and its name."""

    color: str
    linestyle: Any
    marker: str
    label: str


Network = tuple[str, int | None]

_KNOWN_FAMILIES: Mapping[str, FamilyStyle] = {
    "residual": FamilyStyle("-", "o"),
    "plain": FamilyStyle((0, (4, 1.6)), "s"),
}
_OTHER_FAMILIES = (
    FamilyStyle((0, (1, 1.2)), "^"),
    FamilyStyle((0, (6, 1.5, 1, 1.5)), "D"),
    FamilyStyle((0, (10, 3)), "P"),
    FamilyStyle((0, (3, 1.5, 1, 1.5, 1, 1.5)), "v"),
    FamilyStyle((0, (2, 2)), "X"),
)


@contextmanager
def context() -> Iterator[None]:
    """Use gradflow's fonts and line widths inside the block, and leave matplotlib's settings as they were.

    In another language than English a font that draws it is among them; where none is installed the block is in
    English, with a warning.
    """
    with drawable() as fonts, mpl.rc_context(_RC | fonts):
        yield


def words(key: str) -> str:
    """Return a text in the language that figures are drawn in: English where no font draws another."""
    with context():
        return text(key)


def depth_color(depth: int, depths: Iterable[int]) -> str:
    """Return a depth's colour: its rank among all depths of the comparison on a sequential map, deep is dark.

    Examples
    --------
    >>> [depth_color(depth, [20, 56, 110]) for depth in (20, 110)]
    ['#ef6e21', '#160b39']
    """
    ordered = sorted(set(depths))
    rank = ordered.index(depth) / (len(ordered) - 1) if len(ordered) > 1 else 1.0
    place = np.interp(1 - rank, np.linspace(0, 1, len(_PLACES)), _PLACES)
    return to_hex(mpl.colormaps[DEPTH_MAP](float(place)))


def family_style(family: str, families: Iterable[str] = ()) -> FamilyStyle:
    """Return a family's line style and marker: residual solid, plain dashed, the others in order.

    Of variants, "residual, lr 0.01" and "residual, lr 0.1", the first takes its family's style where that is free.

    Examples
    --------
    >>> family_style("residual")
    FamilyStyle(linestyle='-', marker='o')
    """
    names = in_order({*families, family})
    owners: dict[str, str] = {}
    for known in _KNOWN_FAMILIES:
        mine = [name for name in names if name == known] or [name for name in names if name.startswith(f"{known}, ")]
        owners.update({mine[0]: known} if mine else {})
    if family in owners:
        return _KNOWN_FAMILIES[owners[family]]
    others = [name for name in names if name not in owners]
    return _OTHER_FAMILIES[others.index(family) % len(_OTHER_FAMILIES)]


def network(family: str, depth: Any) -> Network:
    """Return the key of `looks`: the depth is an int, or None where it is missing."""
    return str(family), None if pd.isna(depth) else int(depth)


def looks(frame: pd.DataFrame) -> dict[Network, Look]:
    """Return how each (family, depth) of a frame is drawn, shallow first.

    Networks without a depth are told apart by colour as well as by line style.
    """
    pairs = frame[["family", "depth"]].drop_duplicates()
    networks = [network(family, depth) for family, depth in pairs.itertuples(index=False)]
    families = in_order(family for family, _ in networks)
    networks.sort(key=lambda item: (item[1] is None, item[1] or 0, families.index(item[0])))
    depths = [depth for _, depth in networks if depth is not None]
    without = [family for family, depth in networks if depth is None]
    found: dict[Network, Look] = {}
    for family, depth in networks:
        line = family_style(family, families)
        if depth is None:
            color = _WITHOUT_DEPTH[without.index(family) % len(_WITHOUT_DEPTH)]
            found[family, depth] = Look(color, line.linestyle, line.marker, family)
        else:
            color = depth_color(depth, depths)
            found[family, depth] = Look(color, line.linestyle, line.marker, network_name(family, depth))
    return found


def each_network(
    frame: pd.DataFrame, found: Mapping[Network, Look] | None = None
) -> Iterator[tuple[Look, pd.DataFrame]]:
    """Yield the look and the rows of each network of a frame, shallow first.

    Looks of a larger comparison, if given, keep the colours the same from panel to panel.
    """
    grouped = frame.groupby(["family", "depth"], dropna=False, sort=False)
    rows = {network(str(family), depth): group for (family, depth), group in grouped}
    known = found if found and rows.keys() <= found.keys() else looks(frame)
    for key, look in known.items():
        if key in rows:
            yield look, rows[key]


def legend_handles(frame: pd.DataFrame, *, markers: bool = False) -> list[Line2D]:
    """Return legend entries: one per depth (colour), one per family (line style), one per run without a depth.

    With 12 depths and 2 families that is 14 entries instead of 24.
    """
    handles, families, depths = [], {}, {}
    found = looks(frame)
    labels = short_names(family for family, _ in found)
    for (family, depth), look in found.items():
        line = {"linestyle": look.linestyle, "marker": look.marker if markers else "", "label": labels[family]}
        if depth is None:
            handles.append(Line2D([], [], color=look.color, **line))
            continue
        depths[depth] = Line2D(
            [], [], color=look.color, linewidth=DEPTH_LINE, label=text("figure.of_depth", depth=depth)
        )
        families[family] = Line2D([], [], color=NEUTRAL, **line)
    return [*depths.values(), *(families[family] for family in in_order(families)), *handles]


def seeds_text(n: Iterable[int]) -> str:
    """Return how many seeds a mean stands on, and whether it has an interval.

    Examples
    --------
    >>> seeds_text([3, 3]), seeds_text([1]), seeds_text([1, 3])
    ('95 % interval, n = 3 seeds', '1 seed, no interval', '95 % interval, n = 1 to 3 seeds')
    """
    counts = sorted({int(count) for count in n if count > 0}) or [0]
    if counts[-1] <= 1:
        return text("figure.seeds.one", n=counts[-1])
    return text("figure.seeds.many", n=_span(counts))


def draws_bands(networks: Mapping[Network, Look] | pd.DataFrame) -> bool:
    """Whether so few networks share the axes that interval bands can be told apart."""
    found = looks(networks) if isinstance(networks, pd.DataFrame) else networks
    return len(found) <= MOST_BANDS


def bands_text(frame: pd.DataFrame) -> str:
    """Return `seeds_text` for a figure with bands, or that its intervals are left out."""
    if draws_bands(frame) or frame.n.max() <= 1:
        return seeds_text(frame.n)
    return text("figure.seeds.undrawn", n=_span(sorted({int(count) for count in frame.n if count > 0})))


def _span(counts: Sequence[int]) -> str:
    """Return how many seeds there are, of sorted counts: one number where all agree."""
    first, last = counts[0], counts[-1]
    return str(first) if first == last else text("figure.span", low=first, high=last)


def require(frame: pd.DataFrame, columns: Sequence[str], source: str, argument: str = "frame") -> None:
    """Raise ValueError naming the first column that an argument lacks, or that it has no rows."""
    require_columns(frame, columns, source, argument)
    if not len(frame):
        raise ValueError(f"{argument} has no rows, so there is nothing to draw; see {source}.")


def require_columns(frame: pd.DataFrame, columns: Sequence[str], source: str, argument: str = "frame") -> None:
    """Raise ValueError naming the first column that an argument lacks; TypeError if it is no frame."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{argument} must be a DataFrame from {source}; got {type(frame).__name__}.")
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ValueError(f"{argument} lacks the column {missing[0]!r}; pass what {source} returns.")


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
