"""The section on residual connections: what the skips carry, and the gradient with and without them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gradflow.analysis.contribution import (
    VARIANTS,
    contribution_over_seeds,
    counterfactual_ends,
    counterfactual_over_seeds,
)
from gradflow.analysis.decay import MEASURED
from gradflow.analysis.profile import few_steps
from gradflow.analysis.runs import NETWORK as NETWORK_KEYS
from gradflow.figures.contribution_figure import contribution
from gradflow.figures.counterfactual_figure import counterfactual
from gradflow.plots import style
from gradflow.plots.paper import page
from gradflow.recording import EVERY_JOIN
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.row_limits import MAX_DOTS, MAX_STEPS
from gradflow.reporting.live.screen import live
from gradflow.reporting.page_blocks import Block
from gradflow.reporting.page_figures import Picture, draw
from gradflow.reporting.page_tables import NETWORK, by_network, page_table
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Section
from gradflow.tables import DASH, Cell, Column, Table, bounded, column, words
from gradflow.text import text
from gradflow.text.numbers import count, multiple, number, percent, ratio
from gradflow.text.words import word

DRAWN = ("skip_share", "branch_ratio")


class _Joins(NamedTuple):
    """The joins before training, and whether they are one network's."""

    first: pd.DataFrame
    is_one: bool


def _joins(data: ReportData) -> _Joins | None:
    frame = data.contribution
    if frame.empty:
        return None
    first = frame[frame["step"] == frame.groupby("run")["step"].transform("min")]
    return _Joins(first, first["run"].nunique() == 1)


def _lead(data: ReportData, joins: _Joins) -> str:
    if joins.is_one:
        return text("skips.lead_one", joins=count(len(joins.first), "joins"))
    return text("skips.lead_training") if data.is_of_compare else text("skips.lead")


def _shares(data: ReportData, joins: _Joins) -> Picture | None:
    """Return the figure of what the skips carry, None where nothing of it was measured at one step."""
    over_seeds = {measure: contribution_over_seeds(joins.first, measure) for measure in DRAWN}
    drawn = {measure: found for measure, found in over_seeds.items() if found["mean"].notna().any()}
    if not drawn or joins.first["step"].nunique() > 1:
        return None
    moment = style.words("figure.before") if data.is_of_compare else ""
    make = partial(page, partial(contribution, drawn, moment=moment))
    shown = _few_steps({measure: contribution_over_seeds(data.contribution, measure) for measure in drawn})
    alt = _share_in_words(joins.first)
    return draw("skips-share", make, data.folder, alt=alt, live=live(contribution(shown)))


def _few_steps(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the measured rows of few enough steps for a screen."""
    known = {measure: frame[frame["mean"].notna()] for measure, frame in frames.items()}
    steps = few_steps([step for frame in known.values() for step in frame["step"].unique()], MAX_STEPS)
    return {measure: rows for measure, frame in known.items() if len(rows := frame[frame["step"].isin(steps)])}


def _without(data: ReportData, joins: _Joins) -> list[Block]:
    """Return the figure of the gradient with and without the skips, and its ends where there are several networks."""
    frame, where = data.counterfactual, _where(data)
    if frame.empty:
        return []
    networks, ends = counterfactual_over_seeds(frame), counterfactual_ends(frame)
    n_networks = count(len(ends.drop_duplicates(list(NETWORK_KEYS))), "networks")
    picture = draw(
        "skips-without",
        partial(page, partial(counterfactual, networks, where=where, every=False)),
        data.folder,
        alt=_without_in_words(data, joins) or text("skips.alt.without", networks=n_networks),
        caption=text("skips.caption.without", where=where or text("skips.every_join")),
        live=without_on_screen(networks),
    )
    return [picture] if joins.is_one else [picture, _ends(ends)]


def without_on_screen(frame: pd.DataFrame) -> Live | None:
    """Return the figure of every network, the deepest first; None if nothing was measured."""
    is_gone = frame["mean"].isna() & (frame["n_nonfinite"] > 0)
    known = frame.assign(mean=frame["mean"].mask(is_gone, np.inf)).dropna(subset=["mean"])
    if known.empty:
        return None
    figure = counterfactual(known, every=True)
    (facet,) = figure.facets
    deepest_first = replace(facet, names=dict(list(facet.names.items())[::-1]))
    has_dots = bool(known["layer_depth"].max() <= MAX_DOTS)
    return live(replace(figure, facets=(deepest_first,)), 320, has_dots=has_dots)


def _where(data: ReportData) -> str:
    """Return at which joins shares were removed, an empty string where it is all of them."""
    patterns = dict.fromkeys(str(run.meta.get("joins") or EVERY_JOIN) for run in data.runs)
    return (
        ""
        if list(patterns) == [EVERY_JOIN]
        else text("skips.chosen_joins", joins=text("list.enumeration").join(patterns))
    )


def _share_in_words(frame: pd.DataFrame) -> str:
    """Return how much the skips carry, for those who cannot see the figure."""
    shares = frame["skip_share"].dropna()
    if shares.empty:
        return text("skips.alt.none")
    low, high = float(shares.min()), float(shares.max())
    return text("skips.alt.share", low=percent(low), high=percent(high), joins=count(len(shares), "joins"))


def _without_in_words(data: ReportData, joins: _Joins) -> str:
    """Return one network's ends with and without the skips, an empty string where that was not measured."""
    if not joins.is_one:
        return ""
    sentences, where = [], _where(data)
    for run, rows in data.counterfactual.groupby("run", sort=False):
        ends = {str(variant): _apart(one) for variant, one in rows.groupby("variant", sort=False)}
        written = {name.replace(" ", "_"): ratio(value) for name, value in ends.items()}
        if "without_skips" in written:
            sentences.append(text("skips.without", run=run, where=where or text("skips.every_join"), **written))
        if "plain_twin" in written:
            sentences.append(text("skips.twin", change=written["plain_twin"]))
    return text("list.sentences").join(sentences)


def _apart(rows: pd.DataFrame) -> float:
    """Return the first layer's norm over the last one's, in decades."""
    ordered = rows.sort_values("layer_depth", kind="stable")["out_grad_norm"]
    first, last = float(ordered.iloc[0]), float(ordered.iloc[-1])
    return math.log10(first / last) if first > 0 and last > 0 else math.nan


def _table(_: ReportData, joins: _Joins) -> Table | None:
    """Return one row per join of one network, None where there are several."""
    if not joins.is_one:
        return None
    short = partial(number, digits=2)
    columns = [
        Column("join", lambda row: Cell(row["join"], _unless_measured(row["status"])), is_number=False),
        words("kind", word),
        column("skip_share", percent),
        column("skip_sq", short),
        column("branch_sq", short),
        column("cross", short),
        column("angle", lambda angle: f"{angle:.0f}°"),
        column("branch_ratio", short),
    ]
    if (joins.first["lesion_status"] != "").any():
        columns.append(Column("lesion", _lesion))
    return page_table("skips", columns, joins.first, "tables/skips.csv")


def _ends(frame: pd.DataFrame) -> Table:
    """Return one row per network: how much larger its gradient is at the first layer, of each variant."""
    n = Column("n", lambda row: str(max(one["n"] for one in row["by"].values())))
    columns = [_end(name) for name in VARIANTS if name in set(frame["variant"])]
    rows = by_network(frame, "variant")
    return page_table("skips_without", (NETWORK, n, *columns), rows, "tables/skips_without.csv")


def _end(variant: str) -> Column:
    """Return the column of a variant."""

    def cell(network: Any) -> Cell:
        row = network["by"].get(variant, {"mean": math.nan, "low": math.nan, "high": math.nan, "n": 0})
        return bounded(row["mean"], row["low"], row["high"], int(row["n"]), multiple)

    return Column(variant.replace(" ", "_"), cell)


def _lesion(row: Mapping[Hashable, Any]) -> Cell:
    """Return the change of the loss, or why there is none."""
    change = row["lesion"]
    written = DASH if math.isnan(change) else f"{'+' if change > 0 else ''}{number(change)}"
    return Cell(written, _unless_measured(row["lesion_status"]))


def _unless_measured(status: str) -> str:
    return "" if status == MEASURED else word(status)


def _files(data: ReportData) -> dict[str, pd.DataFrame]:
    return {"skips": data.contribution, "skips_without": data.counterfactual} if data.with_layers else {}


SKIPS = Section(
    "skips",
    80,
    _joins,
    words=(_lead, "skips.definition", _without_in_words),
    parts=(_shares, _table, _without),
    files=_files,
)
