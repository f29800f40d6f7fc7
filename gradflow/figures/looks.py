"""Colour is depth, line style is family: how each network of a comparison is drawn, in every figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from gradflow.analysis.variants import network_name
from gradflow.figures.names import in_order

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


Key = TypeVar("Key")


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
Palette = str | Sequence[str]  # a name that seaborn knows, or colours
Looks = Mapping[Network, Look]

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


def recolored(found: Mapping[Key, Look], palette: Palette) -> dict[Key, Look]:
    """Return looks in the colours of a palette (what had one colour has one); ValueError if seaborn has no such."""
    from seaborn import color_palette  # here, because its import takes long and most figures do without

    colors = list(dict.fromkeys(look.color for look in found.values()))
    others = dict(zip(colors, map(to_hex, color_palette(palette, len(colors))), strict=True))
    return {name: look._replace(color=others[look.color]) for name, look in found.items()}


def each_network(frame: pd.DataFrame) -> Iterator[tuple[Look, pd.DataFrame]]:
    """Yield the look and the rows of each network of a frame, shallow first."""
    rows = by_network(frame)
    for key, look in looks(frame).items():
        yield look, rows[key]


def by_network(frame: pd.DataFrame) -> dict[Network, pd.DataFrame]:
    """Return the rows of each network of a frame."""
    grouped = frame.groupby(["family", "depth"], dropna=False, sort=False)
    return {network(str(family), depth): rows for (family, depth), rows in grouped}


LONE = Look(depth_color(1, [1]), "-", "o", "")  # of a figure's only line, which needs no name
