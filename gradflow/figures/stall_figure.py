"""Where does training stop? The links from the gradient before it to the one after it, network by network."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd

from gradflow.analysis.stall import stall as analysed
from gradflow.analysis.stall import stall_over_seeds
from gradflow.figures.columns import Data, frame_of, require
from gradflow.figures.looks import each_network
from gradflow.figures.model import Axis, Facet, Figure, Kind, Layout, Mark
from gradflow.figures.seed_words import seeds_text
from gradflow.text import text
from gradflow.text.words import heading, named

_SOURCE = "gradflow.analysis.stall_over_seeds"
_ROW, _FRAME = 0.19, 0.85  # inches of a network, and around those of a panel
_ERROR_SPAN = 0.05  # of training error that the axis shows at least


class Link(NamedTuple):
    """One panel: what is drawn filled, what hollow beside it, where nothing happened, and on which axis."""

    name: str
    filled: str
    hollow: str = ""
    neutral: float = math.nan
    scale: Kind = "powers"


LINKS = (
    Link("start", "start_decades", neutral=0.0),
    Link("growth", "growth", "first_growth", 1.0, "log"),
    Link("effective_lr", "effective_lr_end", "effective_lr_start", scale="log"),
    Link("end", "end_decades", "end_decades_scaled", 0.0),
    Link("error", "train_error", neutral=0.0, scale="fraction"),
)


def stall(frame: Data, *, link: Link | None = None) -> Figure:
    """Return the links of the chain that were measured, one row per network.

    A network whose rows of all links lie on one side of the neutral line stalls by its weights; one whose first
    rows do and whose last do not trains all the same.

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.stall_over_seeds`. Intervals are 95 %.
    link : Link, optional
        One of `gradflow.figures.stall_figure.LINKS`, measured or not.
    """
    frame = frame_of(frame, lambda recordings: stall_over_seeds(analysed(recordings)))
    links: tuple[Link, ...] = (link,) if link else LINKS
    require(frame, ("family", "depth", "n", *(name for one in links for name in _columns(one))), _SOURCE)
    found = ordered(frame)
    links = links if link else tuple(one for one in links if found[one.filled].notna().any())
    parts = [_rows(found, one) for one in links]
    titles = {one.name: text(f"figure.stall.{one.name}") for one in links}
    with_rings = tuple(one.name for one in links if one.hollow)
    levels = [
        Mark("level", value=one.neutral, of={"link": (one.name,)}) for one in links if not math.isnan(one.neutral)
    ]
    return Figure(
        "stall",
        title=text("figure.stall.title"),
        subtitle=text("figure.stall.subtitle"),
        rows=pd.concat(parts, ignore_index=True) if parts else found.iloc[:0],
        x=_axis(links[0] if links else LINKS[0]),
        y=Axis("row", "", "rows", names=tuple(dict.fromkeys(found["row"]))),
        marks=(*levels, Mark("ring", column="hollow", of={"link": with_rings}), Mark("range"), Mark("dots")),
        note=f"{text('figure.stall.note')}\n{seeds_text(found['n'])}",
        layout=Layout(_ROW * len(found) + _FRAME, 5, 2, {"right": 0.17, "columns": 0.22, "rows": 0.67}),
        facets=(Facet("link", heading("measure"), titles, titles, x={one.name: _axis(one) for one in links}),),
        hint=text("live.stall_note"),
    )


def ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the networks in the order in which they are drawn: by depth, families side by side."""
    return pd.concat([rows.assign(row=named(look.label)) for look, rows in each_network(frame)], ignore_index=True)


def _columns(link: Link) -> list[str]:
    """Return the columns that a panel draws."""
    return [f"{name}{end}" for name in (link.hollow, link.filled) if name for end in ("", "_low", "_high")]


def _rows(frame: pd.DataFrame, link: Link) -> pd.DataFrame:
    """Return one link's values; errors may be bounded by nothing but their seeds."""
    low, high = frame[f"{link.filled}_low"], frame[f"{link.filled}_high"]
    if link.scale == "fraction":
        low, high = low.clip(lower=0.0), high.clip(upper=1.0)
    hollow = frame[link.hollow] if link.hollow else math.nan
    own = frame[["family", "depth", "row", "n"]]
    return own.assign(link=link.name, value=frame[link.filled], low=low, high=high, hollow=hollow)


def _axis(link: Link) -> Axis:
    ends = (0.0, _ERROR_SPAN) if link.scale == "fraction" else () if math.isnan(link.neutral) else (link.neutral,)
    marks = text(f"figure.stall.marks.{link.name}") if link.hollow else ""
    return Axis("value", marks, link.scale, ends=ends, others=("low", "high", "hollow"))
