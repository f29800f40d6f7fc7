"""How fast do gradients vanish or explode at initialisation? Measured norms beside their closed forms."""

from __future__ import annotations

import itertools
from typing import Literal

import pandas as pd

from gradflow import theory
from gradflow.analysis.vanishing_table import vanishing_profile
from gradflow.figures.columns import Data, counted, frame_of, require
from gradflow.figures.looks import NEUTRAL, Look
from gradflow.figures.model import Axis, Facet, Figure, Guide, Layout, Mark
from gradflow.figures.seed_words import seeds_text
from gradflow.text import text
from gradflow.text.words import heading, named, sentences

GradientMeasure = Literal["out_grad_norm", "grad_norm"]

MEASURES: tuple[GradientMeasure, ...] = ("out_grad_norm", "grad_norm")
_COLUMNS = ("setting", "label", "measure", "layer_depth", "mean", "low", "high", "n", "predicted")
_SOURCE = "gradflow.analysis.vanishing_profile"
# Depth is the same throughout, so colour is free: one and a marker for each setting, all with a contrast above 3 : 1
# on white. Settings that vanish are warm or blue, those that hold or explode are dark or green.
_MARKS = (
    ("#882255", "o"),
    ("#c8506e", "s"),
    ("#0072b2", "^"),
    ("#7a5c00", "D"),
    ("#d55e00", "v"),
    ("#404040", "P"),
    ("#117733", "X"),
    ("#2a8f86", "<"),
)
# Measured lines are broad and pale, so that the closed form is seen on top of them where the two agree; the toy, which
# agrees with one of them too, is rings between the markers.
_MEASURED = Mark("line", width=3.0, opacity=0.5, every=(0, 3))
_FORM = Look("#101010", (0, (4, 2)), "", "")


def vanishing(frame: Data, *, measure: GradientMeasure | None = None) -> Figure:
    """Return gradient norms relative to the last hidden layer's against layer depth, one line per setting.

    Lines that fall towards the input (left) vanish, lines that rise explode; straight ones do so by a
    constant factor per layer. Look at both measures: without bias and norm a ReLU network's weight gradients
    are equally large in every layer while its activation gradients vanish.

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.vanishing_profile`.
    measure : "out_grad_norm" or "grad_norm", optional
        Gradient with respect to the layers' outputs or to their parameters; by default each of them that is anywhere
        larger than zero.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows of the measure.

    Notes
    -----
    Settings are in the order in which their lines reach the input, the largest first. Gradients that are exactly zero
    are drawn on the lower edge (triangles), infinite ones on the upper edge (crosses).
    """
    frame = frame_of(frame, vanishing_profile)
    require(frame, _COLUMNS, _SOURCE)
    measured = [one for one in MEASURES if (frame.loc[frame["measure"] == one, "mean"] > 0).any()]
    measures: list[str] = [measure] if measure else [*measured]
    rows = frame[frame["measure"].isin(measures)]
    if measure:
        require(rows, _COLUMNS, _SOURCE)
    rows = counted(rows, rows["mean"]).assign(line=rows["setting"].astype(str))
    names = {one: text(f"measure.{one}") for one in measures}
    titles = {one: text(f"figure.vanishing.title.{one}") for one in measures}
    notes = {one: _note(one, rows[rows["measure"] == one]) for one in measures}
    files = {one: f"figures/vanishing-{one.replace('_', '-')}.png" for one in measures}
    last = int(frame["layer_depth"].max())
    toy = theory.toy(layers=last - 1)[::-1].tolist()
    toy_look = Look(NEUTRAL, (0, (1, 2)), "o", text("figure.vanishing.toy", factor=f"{theory.TOY_FACTOR:g}"))
    return Figure(
        "vanishing",
        rows=rows,
        x=Axis("layer_depth", text("figure.vanishing.x"), "whole", limits=(0.5, last + 0.5)),
        y=Axis(
            "mean",
            text("figure.vanishing.y"),
            "log",
            name=text("live.norm"),
            ends=tuple(toy),
            others=("low", "high", "predicted"),
        ),
        marks=(
            Mark("band", opacity=0.2),
            _MEASURED,
            Mark("line", column="predicted", look=_FORM, label=text("head.closed_form"), width=0.8),
        ),
        note=text("figure.mean_and", seeds=seeds_text(rows["n"])),
        layout=Layout(height=2.5, wide=1, narrow=1),
        facets=(Facet("measure", text("live.gradient"), names, titles, notes, files),),
        told={"layer_depth": heading("layer"), "predicted__number": heading("closed_form")},
        series=heading("setting"),
        looks=_looks(frame, rows),
        may_choose=True,
        guides=(Guide(toy_look, tuple(range(1, last + 1)), tuple(toy), width=0.8),),
    )


def _looks(frame: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Look]:
    """Return each setting's look, the same for both measures, in the order of what reaches the input."""
    labels = {str(setting): named(str(label)) for setting, label in zip(frame["setting"], frame["label"], strict=True)}
    looks = {
        setting: Look(color, "-", marker, label)
        for (setting, label), (color, marker) in zip(labels.items(), itertools.cycle(_MARKS), strict=False)
    }
    first = rows[rows["measure"] == rows["measure"].iloc[0]] if len(rows) else rows
    ends = first.sort_values("layer_depth").groupby("line")["mean"].first().sort_values(ascending=False)
    return {str(setting): looks[str(setting)] for setting in ends.index}


def _note(measure: str, rows: pd.DataFrame) -> str:
    """Return what a measure is, and what is drawn of it besides its means."""
    forms = text("live.forms") if rows["predicted"].notna().any() else ""
    return sentences(text(f"vanishing.caption.{measure}"), forms, text("live.toy", factor=f"{theory.TOY_FACTOR:g}"))
