"""Where does training stop? The links from the gradient before it to the one after it, network by network."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd

from gradflow.figures.columns import require
from gradflow.figures.looks import each_network
from gradflow.figures.model import Axis, Facet, Figure, Kind, Layout, Mark
from gradflow.figures.seeds import seeds_text
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


def stall(frame: pd.DataFrame, links: tuple[Link, ...] = LINKS) -> Figure:
    """Return the links of the chain that were measured, one row per network.

    A network whose rows of all links lie on one side of the neutral line stalls by its weights; one whose first
    rows do and whose last do not trains all the same.

    Parameters
    ----------
    frame : DataFrame
        From `gradflow.analysis.stall_over_seeds`. Intervals are 95 %.
    links : tuple of Link
        Of `LINKS`.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows.
    """
    require(frame, ("family", "depth", "n", *(name for link in links for name in _columns(link))), _SOURCE)
    found = ordered(frame)
    links = tuple(link for link in links if found[link.filled].notna().any())
    parts = [_rows(found, link) for link in links]
    titles = {link.name: text(f"figure.stall.{link.name}") for link in links}
    with_rings = tuple(link.name for link in links if link.hollow)
    levels = [
        Mark("level", value=link.neutral, of={"link": (link.name,)}) for link in links if not math.isnan(link.neutral)
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
        facets=(Facet("link", heading("measure"), titles, titles, x={link.name: _axis(link) for link in links}),),
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
