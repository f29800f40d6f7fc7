"""Do gradients vanish or explode on the way back? Norms against layer depth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

import pandas as pd

from gradflow.analysis.profile import profile as profile_of
from gradflow.analysis.profile import profile_over_seeds
from gradflow.figures.axis_limits import are_too_far_apart
from gradflow.figures.columns import Several, frames_of, joined
from gradflow.figures.model import Axis, Facet, Figure, Layout, Mark
from gradflow.figures.moments import steps_facet
from gradflow.figures.names import called
from gradflow.figures.seed_words import bands_text
from gradflow.text import has, text
from gradflow.text.words import head, heading, sentence_case

_COLUMNS = ("family", "depth", "step", "layer_depth", "mean", "low", "high", "n", "n_zero", "n_nonfinite")
_SOURCE = "gradflow.analysis.profile_over_seeds"
_ROW, _GAP = 110, 2  # characters that have room along the axis of a screen, and between two names
OWN_AXES: Mapping[str, float] = {"columns": 0.46}  # inches between panels, each with its tick labels


def profile(
    frames: Several,
    measure: str = "grad_norm",
    *,
    steps: Iterable[int] | Literal["recorded"] | None = None,
    moment: str | None = None,
) -> Figure:
    """Return norms against layer depth, one line per network, on a log axis.

    A line that falls towards the input (left) is a vanishing gradient, one that rises towards it an exploding one.
    Steps have a common axis unless that would span more than 20 decades and flatten one of them.

    Parameters
    ----------
    frames : DataFrame, mapping of str to DataFrame, or recordings
        From `gradflow.analysis.profile_over_seeds`; several by measure. Lines are geometric means, bands 95 %
        intervals.
    measure : str
        What a single frame holds; of recordings, what is drawn.
    steps : iterable of int or "recorded", optional
        Of recordings: by default those of 0, 1, 10 and 100 that were recorded, and the last.
    moment : str, optional
        What every step is called; by default the number of updates before it.

    Raises
    ------
    ValueError
        A frame lacks a column or has no rows.

    Notes
    -----
    Layers whose norms are all exactly zero are drawn on the lower edge (triangles), layers with a NaN or infinite norm
    in any seed on the upper edge (crosses). Layers that were not measured leave a gap.
    """
    found = frames_of(frames, lambda runs: profile_over_seeds(profile_of(runs, steps=steps), measure))
    rows = joined(found, measure, _COLUMNS, _SOURCE)
    measures = list(dict.fromkeys(rows["measure"]))
    shares_y = not are_too_far_apart([of_step["mean"] for _, of_step in rows.groupby("step")])
    note = text("figure.geometric_mean", seeds=bands_text(rows))
    return Figure(
        "flow",
        title=text("figure.profile.title"),
        subtitle=measure_name(measures[0]),
        rows=rows,
        x=_layers(rows),
        y=_axis(measure_name(measures[0]) if len(measures) == 1 else text("figure.gradient_norm")),
        marks=(Mark("band"), Mark("line")),
        note=note if shares_y else f"{note}\n{text('figure.own_axes')}",
        layout=Layout(height=1.8, margins={} if shares_y else OWN_AXES),
        facets=(_measures(measures), steps_facet(rows, moment, shares_y=shares_y)),
        told={"layer": heading("layer"), "layer_depth": sentence_case(text("figure.layer_depth"))}
        if "layer" in rows
        else {},
    )


def measure_name(measure: str) -> str:
    """Return what a measure is called on an axis; one that has no name in the catalogue keeps its own."""
    return called(f"figure.measure.{measure}", measure)


def _measures(measures: list[str]) -> Facet:
    names = {measure: called(f"measure.{measure}", measure) for measure in measures}
    notes = {measure: text(f"profile.caption.{measure}") for measure in measures if has(f"profile.caption.{measure}")}
    files = {measure: f"figures/profile-{measure.replace('_', '-')}.png" for measure in notes}
    y = {measure: _axis(measure_name(measure)) for measure in measures}
    return Facet("measure", text("live.gradient"), names, notes=notes, files=files, y=y)


def _layers(rows: pd.DataFrame) -> Axis:
    """Return the axis of layers: by name where they are known, of one network, and have room, else by depth."""
    axis = Axis("layer_depth", text("figure.layer_depth_long"), "depth", text("figure.layer_depth_short"))
    if "layer" not in rows or len(rows[["family", "depth"]].drop_duplicates()) > 1:
        return axis
    first = rows.drop_duplicates("layer_depth")
    names = dict(zip(first["layer_depth"].astype(float), first["layer"].astype(str), strict=True))
    if sum(len(name) + _GAP for name in names.values()) > _ROW:
        return axis
    return replace(axis, title=head("layer"), short=head("layer"), ticks=names)


def _axis(title: str) -> Axis:
    return Axis("mean", title, "log", text("figure.norm"), text("live.norm"))
