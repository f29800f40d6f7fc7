"""Legends on paper: an entry for each look that a reader must tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.lines import Line2D

from gradflow.figures.axis_limits import edges
from gradflow.figures.looks import NEUTRAL, Look, Looks, family_style
from gradflow.figures.looks import looks as looks_of
from gradflow.figures.model import Figure, Mark
from gradflow.figures.names import in_order, short_names
from gradflow.plots import style
from gradflow.plots.marks import LARGE, SMALL, dot_of, like_guide, opacity_of, stroke_of
from gradflow.text import text
from gradflow.text.words import word


def networks_of(figure: Figure) -> Looks:
    """Return how the networks of a figure are drawn, none where its lines are none."""
    return {} if figure.looks else figure.networks or looks_of(figure.rows)


def legend_entries(figure: Figure, looks: Looks, parts: Sequence[Figure]) -> list[Line2D]:
    """Return the legend's entries: of networks, of kinds, of marks, of guides and of the edges of any part."""
    told = figure.facet.tells if figure.facet else ""
    if figure.looks:
        handles = _own_handles(figure)
    elif figure.y.kind == "rows":
        handles = _family_handles(figure.rows)
    else:
        dots = figure.has_dots or figure.has("dots") or figure.has("interval")
        drawn = {network: looks.get(network, look) for network, look in networks_of(figure).items()}
        handles = style.legend_handles(drawn, markers=dots, told=told)
    look: dict[str, Any] = {"color": NEUTRAL, "linestyle": "", "markersize": SMALL}
    for kind, shape in (pair for mark in figure.marks for pair in mark.markers.items()):
        if (figure.rows["kind"] == kind).any():
            handles.append(Line2D([], [], marker=shape, label=word(kind), **look))
    marks = sorted(figure.marks, key=lambda mark: mark.shape == "level")
    handles += [handle for mark in marks for handle in _mark_handles(mark, mark.chosen(figure.rows))]
    handles += [like_guide(Line2D([], []), guide) for guide in figure.guides]
    found = zip(*(edges(part.values, part.rows) for part in parts), strict=True)
    zeros, nonfinite = (any(there.any() for there in kind) for kind in found)
    return [*handles, *edge_handles(zeros=zeros, nonfinite=nonfinite)]


def edge_handles(*, zeros: bool, nonfinite: bool) -> list[Line2D]:
    """Return legend entries that say where a log axis draws zeros and non-finite values, if there are any."""
    found = [("v", "zero")] * zeros + [("x", "nonfinite")] * nonfinite
    return [
        Line2D([], [], color=NEUTRAL, linestyle="", marker=marker, label=text(f"figure.edge.{kind}"))
        for marker, kind in found
    ]


def _mark_handles(mark: Mark, rows: pd.DataFrame) -> list[Line2D]:
    """Return the entry of a mark, or of each look of its own that is drawn; one where several have a name."""
    looks = [mark.looks[name] for name in sorted(map(str, rows[mark.joins].unique()))] if mark.looks else []
    if mark.label and len(rows):
        looks.append((mark.look or Look(NEUTRAL, "-", "o", ""))._replace(label=mark.label))
    named = {look.label: look._replace(color=look.color or NEUTRAL) for look in looks if look.label}
    return [_mark_handle(mark, look) for look in named.values()]


def _mark_handle(mark: Mark, look: Look) -> Line2D:
    if mark.shape in ("dots", "seeds"):
        line: dict[str, Any] = {"linestyle": "", **dot_of(look, mark)}
    elif mark.shape == "span":
        line = {"color": look.color, "linewidth": LARGE, "alpha": opacity_of(mark)}
    else:
        line = stroke_of(look, mark) | ({"marker": look.marker} if mark.joins else {})
    return Line2D([], [], label=look.label, **line)


def _family_handles(rows: pd.DataFrame) -> list[Line2D]:
    """Return an entry for the marker of each family; depths are named in the rows."""
    families = in_order(rows["family"])
    labels = short_names(families)
    markers = {labels[family]: family_style(family, families).marker for family in families}
    return [Line2D([], [], linestyle="", marker=marker, color=NEUTRAL, label=name) for name, marker in markers.items()]


def _own_handles(figure: Figure) -> list[Line2D]:
    """Return an entry for each look that is drawn and has a name."""
    drawn = set(figure.rows["line"])
    looks = [look for name, look in figure.looks.items() if name in drawn and look.label]
    labels = short_names(look.label for look in looks)
    return [_entry(figure, look._replace(label=labels[look.label])) for look in looks]


def _entry(figure: Figure, look: Look) -> Line2D:
    if figure.has("bar"):
        return Line2D([], [], color=look.color, linewidth=style.DEPTH_LINE, label=look.label)
    line = next((mark for mark in figure.marks if mark.shape == "line" and not mark.look), Mark("line"))
    return Line2D([], [], label=look.label, **stroke_of(look, line))
