"""The rows of a description as a page holds them: values that have a place, and marks of those that have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from gradflow.figures.axis_limits import drawn_values, edge_places, edges, intervals
from gradflow.figures.model import Axis, Figure
from gradflow.reporting.live.encodings import NONFINITE, VALUE, ZERO, with_multiples
from gradflow.reporting.live.mark_specs import ALONE


def placed(figure: Figure, *, is_mixed: bool) -> pd.DataFrame:
    """Return the rows of `marked_by_edge`, with the mark of a line's only value, and intervals that have a place.

    On an axis of several kinds they have their places, too, in columns that begin with `at_`.
    """
    axis, rows = figure.values, figure.rows
    low, high = intervals(axis, rows)
    others = {mark.column for mark in figure.marks if mark.column}
    marked = marked_by_edge(axis, rows).assign(
        **{name: drawn_values(replace(axis, column=name), rows) for name in others - {axis.column, "low", "high"}},
        seed=rows.get("seed", ""),
        low=low,
        high=high,
    )
    if axis.kind == "powers":
        marked = with_multiples(marked, (axis.column, "low", "high", *others))
    values = marked[axis.column]
    of_line = ("line",) if figure.looks else ("family", "depth", figure.each)
    line = [rows[name] for name in of_line if name in rows]
    counts = values.groupby([marked["seed"], *line], dropna=False).transform("count")
    marked = marked.assign(mark=np.where((counts == 1) & values.notna(), ALONE, marked["mark"]))
    if not is_mixed:
        return marked
    places = marked[[axis.column, "low", "high", "edge"]].astype("float64")
    on_axis = places.where(places > 0).transform(np.log10) if axis.kind == "log" else places
    return marked.join(on_axis.add_prefix("at_"))


def marked_by_edge(axis: Axis, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the value blank where it has no place, `edge` where that is shown, and `mark` of the reason."""
    (zeros, nonfinite), (foot, top) = edges(axis, rows), edge_places(axis, rows)
    return rows.assign(
        **{axis.column: drawn_values(axis, rows)},
        edge=np.select([nonfinite, zeros], [top, foot], np.nan),
        mark=np.select([nonfinite, zeros], [NONFINITE, ZERO], VALUE),
    )
