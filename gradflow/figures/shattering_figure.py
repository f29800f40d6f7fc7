"""Do gradients of different inputs agree? Their correlation by depth of the network."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from gradflow.analysis.shattering import shattering_by_depth
from gradflow.figures.columns import Data, frame_of, require
from gradflow.figures.looks import Look, family_style
from gradflow.figures.model import Axis, Figure, Layout, Mark
from gradflow.figures.names import short_names, shorten
from gradflow.figures.seed_words import seeds_text
from gradflow.text import text
from gradflow.text.words import heading, word

_COLUMNS = ("family", "norm", "depth", "mean", "low", "high", "n", "predicted")
_SOURCE = "gradflow.analysis.shattering.shattering_by_depth"
# Depth is the abscissa, so colour is free: it tells the norm, in Okabe and Ito's colours above 3 : 1 on white.
_NORM_COLORS: Mapping[str, str] = {"": "#D55E00", "batch": "#0072B2"}
_OTHER_NORMS = ("#007355", "#A65085", "#7A5C00")
_FORM = Look("#101010", (0, (1, 1.5)), "", "")


def shattering(frame: Data) -> Figure:
    """Return the correlation between the gradients of different inputs against the depth of the network.

    Look at it to tell a network whose gradients hold (a line that falls slowly, a power law) from one whose
    gradients shatter (at 0 after a few layers: what one example teaches says nothing about the next).

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.shattering.shattering_by_depth`. Bands are 95 % intervals.
    """
    frame = frame_of(frame, shattering_by_depth)
    require(frame, _COLUMNS, _SOURCE)
    lines = [f"{family}, {norm}" for family, norm in zip(frame["family"], frame["norm"], strict=True)]
    return Figure(
        "shattering",
        title=text("shattering.title"),
        rows=frame.assign(line=lines),
        x=Axis("depth", text("figure.shattering.x"), "doubling"),
        y=Axis("mean", text("figure.shattering.y"), ends=(0.0, 1.0)),
        marks=(
            Mark("band"),
            Mark("line", has_dots=True),
            Mark("line", column="predicted", look=_FORM, label=text("head.closed_form"), width=1.1),
        ),
        note=text("figure.mean", seeds=seeds_text(frame["n"])),
        layout=Layout(height=2.5, margins={"top": 0.08}),
        told={"depth": heading("depth"), "predicted__number": heading("closed_form")},
        series=heading("network"),
        looks=_looks(frame),
    )


def norm_name(norm: str) -> str:
    """Return what a norm is called, "batch norm", and that there is none."""
    return word(f"{norm or 'no'} norm")


def _looks(frame: pd.DataFrame) -> dict[str, Look]:
    """Return the look of each kind of network: colour is its norm, line style and marker are its family's."""
    others = [norm for norm in frame["norm"].unique() if norm not in _NORM_COLORS]
    colors = {**_NORM_COLORS, **{norm: _OTHER_NORMS[n % len(_OTHER_NORMS)] for n, norm in enumerate(others)}}
    names = short_names(frame["family"])
    found = {}
    for family, norm in frame[["family", "norm"]].drop_duplicates().itertuples(index=False):
        label = text("list.separator").join([names[family], shorten(norm_name(norm))])
        found[f"{family}, {norm}"] = Look(colors[norm], *family_style(family, frame["family"]), label)
    return found
