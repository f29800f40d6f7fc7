"""How far are measured factors per layer from their closed forms? One row per setting or network and stage."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gradflow.analysis.predicted import predicted as compared
from gradflow.figures.columns import Data, frame_of, require
from gradflow.figures.factors_figure import row_name
from gradflow.figures.looks import NEUTRAL, Look, depth_color
from gradflow.figures.model import Axis, Figure, Layout, Mark
from gradflow.figures.seed_words import seeds_text
from gradflow.text import text
from gradflow.text.words import heading

_COLUMNS = ("label", "family", "depth", "stage", "n", "difference", "difference_low", "difference_high")
_SOURCE = "gradflow.analysis.predicted"
_ROW, _FRAME = 0.17, 0.3  # inches of a row, and around all of them
_MIN_SPAN = 0.01  # on either side of 0: less is not worth an axis


def predicted(frame: Data) -> Figure:
    """Return the relative difference of measured and predicted factors, 0 where the closed form is met.

    Colour is depth; settings of the demonstration, all of one depth, are grey.

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.predicted`. Rows without a prediction are left out. Intervals are 95 %.

    Raises
    ------
    ValueError
        The frame lacks a column, or has no prediction.
    """
    frame = frame_of(frame, compared)
    require(frame, _COLUMNS, _SOURCE)
    rows = frame[np.isfinite(frame["difference"])]
    require(rows, _COLUMNS, _SOURCE)
    rows = rows[[*_COLUMNS]].rename(columns={"difference_low": "low", "difference_high": "high"})
    depths = [int(depth) for depth in rows["depth"].dropna()]
    looks = {"": Look(NEUTRAL, "-", "o", "")}
    looks |= {str(depth): Look(depth_color(depth, depths), "-", "o", "") for depth in sorted(set(depths))}
    rows = rows.assign(
        name=[row_name(row) for row in rows.to_dict("records")],
        line=["" if pd.isna(depth) else str(int(depth)) for depth in rows["depth"]],
    )
    furthest = max(float(np.nanmax(rows[["difference", "low", "high"]].abs())), _MIN_SPAN)
    return Figure(
        "predicted",
        title=text("figure.predicted.title"),
        rows=rows,
        x=Axis("difference", text("figure.predicted.x"), "fraction", ends=(-furthest, furthest)),
        y=Axis("name", "", "rows", names=tuple(dict.fromkeys(rows["name"]))),
        marks=(Mark("level"), Mark("range"), Mark("dots")),
        note=seeds_text(rows["n"]),
        layout=Layout(height=_ROW * len(rows) + _FRAME, wide=1, narrow=1),
        told={"name": heading("setting")},
        looks=looks,
    )
