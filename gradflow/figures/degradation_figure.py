"""Do deeper networks train worse? Errors after training against depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from gradflow.analysis.degradation import ERRORS, degradation_over_seeds
from gradflow.analysis.degradation import degradation as analysed
from gradflow.analysis.degradation import paired_difference as pairs_of
from gradflow.analysis.runs import majority_error
from gradflow.figures import paired_figure as paired
from gradflow.figures import published_marks as elsewhere
from gradflow.figures.columns import Data, Frame, frame_of, require, require_columns
from gradflow.figures.depth_axis import DepthAxis, depth_axis, described
from gradflow.figures.looks import NEUTRAL, Look, looks, network
from gradflow.figures.model import Axis, Facet, Figure, Layout, Mark
from gradflow.figures.seed_words import mean_text
from gradflow.text import text
from gradflow.text.numbers import percent
from gradflow.text.words import heading, sentence_case, sentences

TRAIN = "train_error"
MEAN, SEED, DIVERGED = "mean", "one", "diverged"  # kinds of rows
REACH = 1.35  # times the largest error: a level that is further off would flatten what was measured
_SEED_DODGE = 0.03  # of the span of depths: seeds stand beside their mean
_EVER = Look(NEUTRAL, (0, (1, 3)), "", "")
_LAYOUT = Layout(height=1.85, wide=2, narrow=1, margins={"left": 0.66, "right": 0.15, "columns": 0.75})


def degradation(
    frame: Data,
    over_seeds: Frame = None,
    differences: Frame = None,
    *,
    measure: str | Sequence[str] = TRAIN,
    published: pd.DataFrame | None = None,
) -> Figure:
    """Return errors after training against depth, one line per family, and the paired difference.

    Look here first: a plain line that rises with depth while the residual one stays low is the degradation of
    He et al. 2015 (fig. 1 and 6); a test error that rises alone would be overfitting.

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.degradation`: every run is a ring, a cross if it diverged. The training error of always
        answering the most frequent class is a dotted line, where all runs have the same and some come near it.
    over_seeds : DataFrame, optional
        From `gradflow.analysis.degradation_over_seeds`, by default of the frame: dots are means, bars 95 % intervals
        over seeds.
    differences : DataFrame, optional
        From `gradflow.analysis.paired_difference`, by default of the frame and the first measure; there may be no rows.
    measure : "train_error" or "test_error", or several
        Fractions; the axis shows percent.
    published : DataFrame, optional
        From `gradflow.analysis.published`: what others published, as hollow grey markers, and illustrations, as faint
        lines; never joined with what was measured.
    """
    measures = [measure] if isinstance(measure, str) else measure
    frame = frame_of(frame, analysed)
    of_runs = () if over_seeds is not None and differences is not None else ("run", "seed", *ERRORS)
    require(frame, ("family", "depth", "diverged", *measures, *of_runs), "gradflow.analysis.degradation")
    over_seeds = degradation_over_seeds(frame) if over_seeds is None else over_seeds
    pairs = pairs_of(frame, measure=measures[0]) if differences is None else differences
    counts = ["n" if measure == TRAIN else "n_test" for measure in measures]
    bounds = [f"{measure}{end}" for measure in measures for end in ("", "_low", "_high")]
    needed = ("family", "depth", "n", *counts, *bounds)
    require(over_seeds, needed, "gradflow.analysis.degradation_over_seeds", "over_seeds")
    require_columns(pairs, paired.COLUMNS, paired.SOURCE, "differences")
    known, networks = elsewhere.of_measures(published, measures), looks(over_seeds)
    axis = depth_axis(networks, known["depth"])
    names, titles, y, notes, parts = {}, {}, {}, {}, []
    ever = _ever(frame) if TRAIN in measures else None
    for measure, n in zip(measures, counts, strict=True):
        level = ever if measure == TRAIN else None
        parts.append(_of_error(frame, over_seeds, measure, n, axis, level))
        names[measure] = name = text(f"measure.{measure}")
        titles[measure] = text("figure.degradation.title", error=name)
        y[measure] = Axis("value", text("figure.degradation.y", error=name), "error", others=("low", "high", "beside"))
        notes[measure] = sentences(
            text("live.diverged") if frame["diverged"].any() else "",
            elsewhere.note(known[known["measure"] == measure]),
            "" if level is None else text("live.majority", error=percent(level)),
        )
    if len(known):
        parts.append(elsewhere.rows(known, axis))
    marks = (*elsewhere.marks(known, over_seeds["family"]), *_marks(ever, over_seeds))
    if len(pairs):
        parts.append(paired.rows(pairs, paired.axis(pairs, is_log=axis.is_log)))
        networks |= paired.networks(pairs, over_seeds["depth"])
        names[paired.DIFFERENCE], titles[paired.DIFFERENCE] = text("table.paired_difference"), paired.title()
        y[paired.DIFFERENCE] = paired.y_axis()
        marks = (*marks, *paired.marks(pairs))
    rows = pd.concat(parts, ignore_index=True)
    return Figure(
        "degradation",
        rows=rows.assign(seed=rows["seed"].fillna("")),
        x=described(axis, known["depth"]),
        y=Axis("value", "", "error"),
        marks=marks,
        note=mean_text(pd.concat([over_seeds[n] for n in counts])),
        layout=_LAYOUT,
        facets=(Facet("measure", heading("measure"), names, titles, notes, y=y, shares_y=False, tells="depth"),),
        hint=text("live.means" if rows["low"].notna().any() else "live.single"),
        networks=networks,
        fits_families=True,
    )


def _of_error(
    frame: pd.DataFrame, over_seeds: pd.DataFrame, measure: str, n: str, axis: DepthAxis, ever: float | None
) -> pd.DataFrame:
    """Return the rows of one error: means, then seeds beside them, away from the other family.

    A lone run is its mean, and has no row of its own unless it diverged.
    """
    names = {measure: "value", f"{measure}_low": "low", f"{measure}_high": "high", n: "n"}
    means = over_seeds[["family", "depth", *names]].rename(columns=names).assign(kind=MEAN, seed="")
    is_one_of_several = frame.duplicated(["family", "depth"], keep=False)
    seeds = frame[is_one_of_several | frame["diverged"]]
    numbers = seeds["seed"].astype("string").fillna("") if "seed" in seeds else ""
    kinds = np.where(seeds["diverged"], DIVERGED, SEED)
    seeds = seeds[["family", "depth"]].assign(value=seeds[measure], n=1, kind=kinds, seed=numbers)
    rows = pd.concat([means, seeds], ignore_index=True)
    keys = [network(family, depth) for family, depth in zip(rows["family"], rows["depth"], strict=True)]
    places = pd.Series([axis.places[key] for key in keys])
    middles = pd.Series([axis.places[key] if key[1] is None else axis.at(key[1]) for key in keys])
    away = np.where(places < middles, -1.0, 1.0)
    away[rows["depth"].isna() | (rows["kind"] == MEAN)] = 0.0
    near = [name for name, own in frame.groupby("family")[measure] if ever is not None and ever <= REACH * own.max()]
    level = np.where(rows["family"].isin(near), ever or 0.0, np.nan)
    return rows.assign(measure=measure, place=places + away * _SEED_DODGE * axis.span, beside=level)


def _ever(frame: pd.DataFrame) -> float | None:
    """Return the error of always answering the most frequent class, where some run comes near it."""
    found = majority_error(frame)
    return found if found is not None and found <= REACH * frame[TRAIN].max() else None


def _marks(ever: float | None, over_seeds: pd.DataFrame) -> tuple[Mark, ...]:
    level = Mark("level", value=ever or 0.0, column="beside", look=_EVER, label=text("figure.majority"))
    told = {"seed": sentence_case(text("figure.one_seed"))}
    one = text("figure.one_seed") if over_seeds["n"].max() > 1 else ""
    ring = Mark(
        "seeds", of={"kind": (SEED,)}, size=12**0.5, width=0.8, opacity=0.6, is_hollow=True, label=one, told=told
    )
    cross = Mark("seeds", of={"kind": (DIVERGED,)}, size=20**0.5, width=1.0, look=Look("", "-", "x", ""), told=told)
    return (
        *(() if ever is None else (level,)),
        Mark("line", of={"kind": (MEAN,)}, width=1.0, joins="family", look=Look(NEUTRAL, "", "", "")),
        Mark("interval", of={"kind": (MEAN,)}),
        ring,
        replace(cross, label=text("terminal.status.diverged")),
    )
