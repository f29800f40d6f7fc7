"""How far back in time does the gradient reach? Norms against the position in a sequence."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd

from gradflow.analysis.times import gradient_over_time, gradient_over_time_over_seeds
from gradflow.analysis.variants import network_name
from gradflow.figures.axis_limits import are_too_far_apart
from gradflow.figures.columns import Data, frame_of, require
from gradflow.figures.model import Axis, Figure, Layout, Mark
from gradflow.figures.moments import steps_facet
from gradflow.figures.names import called
from gradflow.figures.profile_figure import OWN_AXES
from gradflow.figures.seed_words import bands_text
from gradflow.text import text
from gradflow.text.words import named

_COLUMNS = ("family", "depth", "step", "layer", "tensor", "time", "mean", "low", "high", "n", "n_zero", "n_nonfinite")
_SOURCE = "gradflow.analysis.gradient_over_time_over_seeds"
_SEQUENCE = ["family", "depth", "layer", "tensor"]
MAX_SEQUENCES = 12  # lines of one figure


def times(frame: Data, *, steps: Literal["recorded"] | None = None, moment: str | None = None) -> Figure:
    """Return norms against the position in the sequence, one line per sequence, on a log axis.

    A line at a layer's input that falls towards the first position (left) is a gradient that vanishes over time: what
    happened early is hardly learnt. The line at its output says to which positions the loss sends gradient directly.
    Of more than twelve sequences the inputs are drawn, and of those the first twelve; the figure says so.

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.gradient_over_time_over_seeds`. Lines are geometric means, bands 95 % intervals.
    steps : "recorded", optional
        Of recordings: all recorded steps; by default those of 0, 1, 10 and 100 that were recorded, and the last.
    moment : str, optional
        What every step is called; by default the number of updates before it.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows.

    Notes
    -----
    Positions whose norm is exactly zero are drawn on the lower edge (triangles), those with an infinite norm in any
    seed on the upper edge (crosses).
    """
    frame = frame_of(frame, lambda runs: gradient_over_time_over_seeds(gradient_over_time(runs, steps=steps)))
    require(frame, _COLUMNS, _SOURCE)
    shown = few_sequences(frame)
    rows = by_sequence(shown)
    shares_y = not are_too_far_apart([of_step["mean"] for _, of_step in rows.groupby("step")])
    n_shown, n_all = (len(some[_SEQUENCE].drop_duplicates()) for some in (shown, frame))
    notes = [
        text("figure.geometric_mean", seeds=bands_text(rows)),
        "" if shares_y else text("figure.own_axes"),
        text("figure.times.some", shown=n_shown, n=n_all) if n_shown < n_all else "",
    ]
    return Figure(
        "times",
        title=text("figure.times.title"),
        subtitle=text("figure.times.subtitle"),
        rows=rows,
        x=Axis("time", text("figure.times.x"), "depth", text("figure.times.x_short"), text("live.position")),
        y=Axis("mean", text("figure.gradient_norm"), "log", text("figure.norm"), text("live.norm")),
        marks=(Mark("band"), Mark("line")),
        note="\n".join(filter(None, notes)),
        layout=Layout(height=1.8, margins={} if shares_y else OWN_AXES),
        facets=(steps_facet(rows, moment, shares_y=shares_y),),
        told={"time": text("live.position")},
        series=text("column.sequence"),
    )


def by_sequence(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with a family for each sequence, "rnn, input", and no depth: what has a look of its own."""
    is_one = len(frame[["family", "depth"]].drop_duplicates()) == 1
    pairs = frame[_SEQUENCE].drop_duplicates()
    names = {
        (family, depth, layer, tensor): _named("" if is_one else _network(family, depth), sequence_name(layer, tensor))
        for family, depth, layer, tensor in pairs.itertuples(index=False)
    }
    keys = zip(*(frame[name] for name in _SEQUENCE), strict=True)
    return frame.assign(family=[names[key] for key in keys], depth=pd.array([pd.NA] * len(frame), dtype="Int64"))


def few_sequences(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of at most twelve sequences: all, or the first of the layers' inputs."""
    pairs = frame[_SEQUENCE].drop_duplicates()
    if len(pairs) <= MAX_SEQUENCES:
        return frame
    inputs = pairs[pairs["tensor"] == "input"]
    kept = (inputs if len(inputs) else pairs).head(MAX_SEQUENCES)
    return frame.merge(kept, on=_SEQUENCE)


def sequence_name(layer: str, tensor: str) -> str:
    """Return what a sequence is called: its layer, and whether it enters or leaves it."""
    return text("figure.times.sequence", layer=layer, tensor=called(f"tensor.{tensor}", tensor))


def _network(family: str, depth: Any) -> str:
    return named(family if pd.isna(depth) else network_name(family, int(depth)))


def _named(network: str, sequence: str) -> str:
    return text("list.colon").join([network, sequence]) if network else sequence
