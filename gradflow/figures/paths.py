"""How long are the paths that the gradient takes? Paths, gradient per path and their product, by length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from gradflow.analysis.paths import PathLengths, PublishedLengths, has_every_length, path_lengths, recorded_paths
from gradflow.figures.columns import Data, frame_of, require
from gradflow.figures.looks import LONE, NEUTRAL, Look
from gradflow.figures.model import Axis, Facet, Figure, Layout, Mark
from gradflow.recording import Recording
from gradflow.text import text
from gradflow.text.numbers import count
from gradflow.text.words import heading

Quantity = Literal["paths", "gradient", "share"]

QUANTITIES: tuple[Quantity, ...] = ("paths", "gradient", "share")
_COLUMNS = ("length", "paths", "gradient", "low", "high", "n", "share")
_SOURCE = "gradflow.probe.paths.effective_paths"
_SHADE = 0.18
_MEAN = Look(NEUTRAL, (0, (1, 1.2)), "", "")


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
        From `gradflow.probe.paths.effective_paths`. Of a part of the lengths neither middle nor mean is known.
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
            *_of_share(found, published),
        ),
        note=_note(frame),
        layout=Layout(height=1.9, wide=3, narrow=1, margins={"columns": 0.62, "left": 0.5}),
        facets=(Facet("quantity", heading("measure"), names, y=axes, shares_y=False),),
        told={"length": x} | {f"{one}__{'percent' if one == 'share' else 'number'}": names[one] for one in names},
        looks={"": LONE},
        hint=_hint(frame, found, published),
    )


def _recorded(recordings: list[Recording]) -> pd.DataFrame:
    """Return what one recording holds."""
    if len(recordings) > 1:
        raise ValueError(f"frame must be one recording; got {len(recordings)}.")
    return recorded_paths(recordings[0])


def _rows(frame: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Return the rows of one quantity; the gradient alone has intervals."""
    bounds: dict[str, Any] = {} if quantity == "gradient" else {"low": np.nan, "high": np.nan}
    values = frame[quantity]
    edges = {"n_zero": (values == 0).astype(int), "n_nonfinite": np.isinf(values).astype(int)}
    return frame.assign(quantity=quantity, line="", **bounds, **edges)


def _axis(quantity: str, frame: pd.DataFrame) -> Axis:
    title = text(f"figure.paths.quantity.{quantity}")
    if quantity == "share":
        return Axis(quantity, title, "fraction", ends=(0.0,) if frame["share"].max() > 0 else (0.0, 1.0))
    return Axis(quantity, title, "log", others=("low", "high"))


def _of_share(found: PathLengths | None, published: PublishedLengths | None) -> list[Mark]:
    """Return the shade, of the lengths published or else of the middle half, and the line of the mean length."""
    of = {"quantity": ("share",)}
    marks = []
    if published is not None:
        shaded, blocks = (published.shortest, published.longest), count(published.n_blocks, "blocks")
        label = text("figure.paths.published", low=shaded[0], high=shaded[1], blocks=blocks)
        marks.append(_shade(shaded, label, of))
    elif found is not None:
        shaded = (found.quarter, found.three_quarters)
        marks.append(_shade(shaded, text("figure.paths.middle", low=shaded[0], high=shaded[1]), of))
    if found is not None:
        marks.append(Mark("upright", value=found.mean, label=text("head.mean_length"), look=_MEAN, width=1.0, of=of))
    return marks


def _shade(ends: tuple[int, int], label: str, of: Mapping[str, tuple[str, ...]]) -> Mark:
    return Mark("span", value=ends[0], upto=ends[1], label=label, of=of, look=LONE, opacity=_SHADE)


def _note(frame: pd.DataFrame) -> str:
    drawn = frame[_was_drawn(frame)]
    if drawn.empty:
        return text("figure.paths.all")
    fewest, most = int(drawn["n"].min()), int(drawn["n"].max())
    drawn_of_each = str(fewest) if fewest == most else text("list.range", low=fewest, high=most)
    key = "figure.paths.drawn_cut" if (drawn["low"] <= 0).any() else "figure.paths.drawn"
    return text(key, n=drawn_of_each)


def _hint(frame: pd.DataFrame, found: PathLengths | None, published: PublishedLengths | None) -> str:
    """Return what is shaded, what the line is and what the band."""
    said = []
    if published is not None:
        low, high, n_blocks, source = published
        said = [text("live.paths.published", low=low, high=high, blocks=count(n_blocks, "blocks"), source=source)]
    elif found is not None:
        said = [text("live.paths.middle", low=found.quarter, high=found.three_quarters)]
    if (_was_drawn(frame) & (frame["low"] > 0)).any():
        said.append(text("live.paths.drawn"))
    return text("list.sentences").join(said)


def _was_drawn(frame: pd.DataFrame) -> pd.Series[bool]:
    """Whether not all paths of a length were taken, so that their mean has an interval."""
    return frame["low"] != frame["high"]
