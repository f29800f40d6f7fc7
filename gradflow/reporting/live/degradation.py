"""The error after training against depth: means with intervals, and each seed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pandas as pd

from gradflow.analysis.runs import majority_error
from gradflow.plots.majority import is_near
from gradflow.reporting.live import published as elsewhere
from gradflow.reporting.live.families import families
from gradflow.reporting.live.figure import ALL, Live, Option, Scale, Spec, select
from gradflow.reporting.live.pieces import (
    SOFT,
    by_network,
    figure,
    majority_line,
    narrowed,
    palette,
    signals,
    told,
)
from gradflow.text import text
from gradflow.text.numbers import percent
from gradflow.text.words import heading, sentence_case

TRAIN = "train_error"
ERRORS = (TRAIN, "test_error")
MEAN, ONE = "mean", "one"
_COLUMNS = (
    "measure",
    "kind",
    "family",
    "network",
    "tone",
    "line",
    "depth",
    "place",
    "seed",
    "value",
    "low",
    "high",
    "n",
)
_DODGE = 0.012  # of the span of depths, between families


def degradation(
    errors: pd.DataFrame,
    over_seeds: pd.DataFrame,
    published: pd.DataFrame | None = None,
    *,
    first: str = "train_error",
) -> Live | None:
    """Return the figure, or None if no network has a depth.

    Parameters
    ----------
    errors, over_seeds : DataFrame
        From `gradflow.analysis.degradation` and `degradation_over_seeds`.
    published : DataFrame, optional
        From `gradflow.analysis.published`: drawn behind what was measured, and never joined with it.
    first : str
        The error shown until a reader chooses the other one.
    """
    ranked = sorted(ERRORS, key=lambda error: error != first)
    found = [error for error in ranked if over_seeds[error].notna().any()]
    if over_seeds["depth"].isna().any() or not found:
        return None
    parts = []
    for error in found:
        n = over_seeds["n" if error == "train_error" else "n_test"]
        bounds = {"value": over_seeds[error], "low": over_seeds[f"{error}_low"], "high": over_seeds[f"{error}_high"]}
        parts.append(over_seeds[["family", "depth"]].assign(**bounds, n=n, kind=MEAN, seed=""))
        own = errors[["family", "depth", "seed"]].assign(value=errors[error], low=None, high=None, n=1, kind=ONE)
        own = own if (n > 1).any() else own.iloc[:0]  # a ring around a dot that is the same run says nothing
        parts[-1] = pd.concat([parts[-1], own], ignore_index=True).assign(measure=error)
    rows = pd.concat(parts, ignore_index=True).astype({"low": "float64", "high": "float64", "seed": "str"})
    tones = palette(rows)
    rows = tones.on(rows).assign(label="", source="", curve=-1)
    known = elsewhere.known_elsewhere(published, rows, found)
    names = sorted(rows["family"].unique())
    choices, deepest = families(rows), float(rows["depth"].max())
    rows = pd.concat([rows, known.assign(seed="", n=0)], ignore_index=True) if len(known) else rows
    rows = rows.assign(place=_places(rows, names), low=rows["low"].clip(lower=0.0), high=rows["high"].clip(upper=1.0))
    majority = _majorities(errors, [choice.value for choice in choices] or [ALL])
    said = {one: _said(known[known["measure"] == one], majority if one == TRAIN else {}) for one in found}
    options = [Option(one, text(f"measure.{one}"), note=said[one] if len(found) > 1 else "") for one in found]
    scales = _scales(rows, found, [choice.value for choice in choices] or [ALL], majority)
    spec = figure(
        _body(by_network(tones), rows, names, majority.get(ALL)), height=320, params=signals(scales[0].signals)
    )
    controls = (
        *select("measure", heading("measure"), options),
        *select("family", heading("family"), choices),
    )
    columns = [*_COLUMNS, *(("label", "source", "curve") if len(known) else ())]
    means = text("live.means") if rows["low"].notna().any() else text("live.single")
    only = said[found[0]] if len(found) == 1 else ""
    note = text("list.sentences").join(filter(None, (means, only, elsewhere.left_out(published, deepest))))
    return Live("degradation", spec, narrowed(spec, 280), rows[columns], controls, note, scales)


def _majorities(errors: pd.DataFrame, families: list[str]) -> dict[str, float]:
    """Return the training error of always answering the most frequent class, by families that come near it."""
    found = majority_error(errors)
    near = [one for one in families if is_near(found, errors.loc[errors["family"].isin([one]) | (one == ALL), TRAIN])]
    return dict.fromkeys(near, found) if found is not None else {}


def _said(known: pd.DataFrame, majority: Mapping[str, float]) -> str:
    """Return what is drawn behind one error."""
    line = text("live.majority", error=percent(majority[ALL])) if ALL in majority else ""
    return text("list.sentences").join(filter(None, (elsewhere.note(known), line)))


def _scales(
    rows: pd.DataFrame, measures: list[str], families: list[str], majority: Mapping[str, float]
) -> tuple[Scale, ...]:
    """Return the limits of the vertical axis for each error and family, or all of them, and what is drawn behind."""
    found = []
    for measure, family in itertools.product(measures, families):
        drawn = rows[(rows["measure"] == measure) & rows["family"].isin([family] if family else rows["family"])]
        near = majority.get(family) if measure == TRAIN else None
        top = min(1.0, max(1.1 * float(drawn[["value", "high"]].max().max()), near or 0.0, 0.05))
        follows = {"foot": -0.02 * top, "top": top if near is None else 1.02 * top, "majority": near is not None}
        found.append(Scale({"measure": measure, "family": family}, follows))
    return tuple(found)


def _places(rows: pd.DataFrame, names: list[str]) -> pd.Series[float]:
    """Return depths with the measured families side by side, so that equal values stay visible."""
    depths = rows["depth"].astype("float64")
    span = float(depths.max() - depths.min()) or 20.0
    middle = (len(names) - 1) / 2
    ranks = rows["family"].map({name: rank for rank, name in enumerate(names)}).fillna(middle)
    return depths + (ranks - middle) * 2 * _DODGE * span


def _body(network: Spec, rows: pd.DataFrame, names: list[str], majority: float | None) -> Spec:
    every = sorted(int(depth) for depth in rows["depth"].unique())
    depths = sorted(int(depth) for depth in rows.loc[rows["kind"].isin([MEAN, ONE]), "depth"].unique())
    span = (every[-1] - every[0]) or 20
    x: Spec = {
        "field": "place",
        "type": "quantitative",
        "title": text("figure.depth"),
        "scale": {"domain": [every[0] - 0.08 * span, every[-1] + 0.08 * span], "nice": False},
        "axis": {"values": depths, "grid": False, "format": "d", "labelOverlap": True},
    }
    y: Spec = {
        "field": "value",
        "type": "quantitative",
        "title": text("live.error_after"),
        "scale": {"domain": [{"expr": "foot"}, {"expr": "top"}], "nice": False},
        "axis": {"format": ".0%"},
    }
    shared = {"x": x, "y": y, "color": network["color"]}
    means, seeds = ([{"filter": f"datum.kind == '{kind}'"}] for kind in (MEAN, ONE))
    tooltip = told(
        network=heading("network"),
        value__percent=text("live.value"),
        low__percent=text("live.low"),
        high__percent=text("live.high"),
        n=text("column.n"),
    )
    own = told(
        network=heading("network"), seed=sentence_case(text("figure.one_seed")), value__percent=text("live.value")
    )
    path: Spec = {"x": x, "y": y, "color": {"value": SOFT}, "detail": {"field": "family"}}
    if "strokeDash" in network:
        path["strokeDash"] = network["strokeDash"]
    bars = {**shared, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
    return {
        "layer": [
            *([] if majority is None else [majority_line(majority, y)]),
            *elsewhere.layers(rows, x, y, names),
            {"transform": means, "mark": {"type": "line", "strokeWidth": 1.4}, "encoding": path},
            {
                "transform": [*means, {"filter": "isValid(datum.low)"}],
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": bars,
            },
            {
                "transform": means,
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {**shared, "tooltip": tooltip},
            },
            {
                "transform": seeds,
                "mark": {"type": "point", "size": 34, "opacity": 0.7},
                "encoding": {**shared, "tooltip": own},
            },
        ]
    }
