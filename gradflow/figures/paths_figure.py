"""How long are the paths that the gradient takes? Paths, gradient per path and their product, by length."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from gradflow.analysis.paths import PathLengths, PublishedLengths, has_every_length, path_lengths, recorded_paths
from gradflow.figures.columns import Data, counted, frame_of, require
from gradflow.figures.looks import LONE, NEUTRAL, Look
from gradflow.figures.model import Axis, Facet, Figure, Layout, Mark
from gradflow.figures.seed_words import span
from gradflow.recording import Recording
from gradflow.text import text
from gradflow.text.numbers import count
from gradflow.text.words import heading, sentences

Quantity = Literal["paths", "gradient", "share"]

QUANTITIES: tuple[Quantity, ...] = ("paths", "gradient", "share")
_COLUMNS = ("length", "paths", "gradient", "low", "high", "n", "share")
_SOURCE = "gradflow.probe.effective_paths.effective_paths"
_SHADE = 0.18
_SHARE = {"quantity": ("share",)}
_MEAN = Mark("upright", look=Look(NEUTRAL, (0, (1, 1.2)), "", ""), width=1.0, of=_SHARE)


def paths(
    frame: Data,
    *,
    quantity: Quantity | None = None,
    published: PublishedLengths | None = None,
    figure_name: str = "paths",
) -> Figure:
    """Return quantities by path length; of the share its middle half, or published lengths, and its mean are marked.

    A share whose bulk lies far left of half the number of blocks says that short paths carry the gradient: that
    is why a deep residual network trains like a collection of shallow ones.

    Parameters
    ----------
    frame : DataFrame or recording
        From `gradflow.probe.effective_paths`. Of a part of the lengths neither middle nor mean is known.
    quantity : "paths", "gradient" or "share", optional
        All of them by default.
    published : PublishedLengths, optional
        Shaded in place of the middle half.
    figure_name : str
        The figure's, which differs from those of other networks.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows, there are several recordings, or the quantity is unknown.
    """
    frame = frame_of(frame, _recorded)
    require(frame, _COLUMNS, _SOURCE)
    if quantity not in (None, *QUANTITIES):
        raise ValueError(f"quantity must be one of {', '.join(QUANTITIES)}; got {quantity!r}.")
    found = path_lengths(frame) if has_every_length(frame) else None
    names: dict[str, str] = {one: text(f"figure.paths.quantity.{one}") for one in QUANTITIES if quantity in (None, one)}
    axes = {one: _axis(one, frame) for one in names}
    x = text("figure.paths.x")
    length = frame["length"]
    shades, shaded = _shade(found, published)
    has_band = (_was_drawn(frame) & (frame["low"] > 0)).any()
    around = (length.iloc[0] - 1, length.iloc[0] + 1) if len(frame) == 1 else None
    return Figure(
        figure_name,
        title=text("paths.title"),
        subtitle=text("figure.paths.subtitle", blocks=count(found.n_blocks, "blocks"), mean=f"{found.mean:.1f}")
        if found
        else "",
        rows=pd.concat([_rows(frame, one) for one in names], ignore_index=True),
        x=Axis("length", x, "depth", limits=around),
        y=next(iter(axes.values())),
        marks=(
            Mark("line", has_dots=True),
            Mark("band", opacity=_SHADE, of={"quantity": ("gradient",)}),
            *shades,
            *([] if found is None else [replace(_MEAN, value=found.mean, label=text("head.mean_length"))]),
        ),
        note=_note(frame),
        layout=Layout(height=1.9, wide=3, narrow=1, margins={"columns": 0.62, "left": 0.5}),
        facets=(Facet("quantity", heading("measure"), names, y=axes, shares_y=False, is_beside=True),),
        told={"length": x} | {f"{one}__{'percent' if one == 'share' else 'number'}": names[one] for one in names},
        looks={"": LONE},
        hint=sentences(shaded, text("live.paths.drawn") if has_band else ""),
    )


def _recorded(recordings: list[Recording]) -> pd.DataFrame:
    """Return what one recording holds."""
    if len(recordings) > 1:
        raise ValueError(f"frame must be one recording; got {len(recordings)}.")
    return recorded_paths(recordings[0])


def _rows(frame: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Return the rows of one quantity; the gradient alone has intervals."""
    bounds: dict[str, Any] = {} if quantity == "gradient" else {"low": np.nan, "high": np.nan}
    return counted(frame.assign(quantity=quantity, line="", **bounds), frame[quantity])


def _axis(quantity: str, frame: pd.DataFrame) -> Axis:
    title = text(f"figure.paths.quantity.{quantity}")
    if quantity == "share":
        return Axis(quantity, title, "fraction", ends=(0.0,) if frame["share"].max() > 0 else (0.0, 1.0))
    return Axis(quantity, title, "log", others=("low", "high"))


def _shade(found: PathLengths | None, published: PublishedLengths | None) -> tuple[list[Mark], str]:
    """Return the shade of the lengths published, or else of the middle half, and what a screen says of it."""
    words: dict[str, Any] = {}
    if published is not None:
        which, low, high = "published", published.shortest, published.longest
        words = {"blocks": count(published.n_blocks, "blocks"), "source": published.source}
    elif found is not None:
        which, low, high = "middle", found.quarter, found.three_quarters
    else:
        return [], ""
    words |= {"low": low, "high": high}
    label, said = (text(f"{where}.paths.{which}", **words) for where in ("figure", "live"))
    return [Mark("span", value=low, upto=high, label=label, of=_SHARE, look=LONE, opacity=_SHADE)], said


def _note(frame: pd.DataFrame) -> str:
    drawn = frame[_was_drawn(frame)]
    if drawn.empty:
        return text("figure.paths.all")
    key = "figure.paths.drawn_cut" if (drawn["low"] <= 0).any() else "figure.paths.drawn"
    return text(key, n=span(drawn["n"]))


def _was_drawn(frame: pd.DataFrame) -> pd.Series[bool]:
    """Whether not all paths of a length were taken, so that their mean has an interval."""
    return frame["low"] != frame["high"]
