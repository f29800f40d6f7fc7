"""The section on residual connections: what the skips carry, and the gradient with and without them."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

import pandas as pd

from gradflow.analysis.contribution import (
    contribution,
    contribution_over_seeds,
    counterfactual,
    counterfactual_over_seeds,
)
from gradflow.analysis.decay import MEASURED
from gradflow.plots import skips as plots
from gradflow.recording import EVERY_JOIN
from gradflow.reporting.blocks import Block, Section, section
from gradflow.reporting.contents import Contents
from gradflow.reporting.figures import draw
from gradflow.reporting.live.skips import skips as live_skips
from gradflow.reporting.tables import Cell, Table, table
from gradflow.text import text
from gradflow.text.numbers import count, decades, number, percent
from gradflow.text.words import word

DRAWN = ("skip_share", "branch_ratio")


def skips(contents: Contents) -> Section | None:
    """Return the section, or None if no recording holds a residual join."""
    frame = contribution(contents.runs)
    if frame.empty:
        return None
    last = frame[frame["step"] == frame.groupby("run")["step"].transform("max")]
    blocks: list[Block] = []
    over_seeds = {measure: contribution_over_seeds(last, measure) for measure in DRAWN}
    drawn = {measure: found for measure, found in over_seeds.items() if found["mean"].notna().any()}
    if drawn and last["step"].nunique() == 1:
        make = partial(plots.contribution_figure, drawn)
        live = live_skips({measure: contribution_over_seeds(frame, measure) for measure in drawn})
        blocks.append(draw("skips-share", make, contents.folder, alt=_share_in_words(last), live=live))
    if last["run"].nunique() == 1:
        blocks.append(_table(last))
    without, where = counterfactual(contents.runs), _where(contents)
    if len(without):
        networks = counterfactual_over_seeds(without)
        make = partial(plots.counterfactuals, networks, where=where)
        caption = text("skips.caption.without", where=where or text("skips.every_join"))
        blocks.append(
            draw("skips-without", make, contents.folder, alt=_without_in_words(without, where), caption=caption),
        )
    joins = count(last.groupby("run").size().iloc[0], "joins") if last["run"].nunique() == 1 else ""
    lead = text("skips.lead_one", joins=joins) if joins else text("skips.lead")
    return section("skips", lead, text("skips.definition"), _without_in_words(without, where), blocks=blocks)


def _where(contents: Contents) -> str:
    """Return at which joins shares were removed, an empty string where it is all of them."""
    patterns = dict.fromkeys(str(run.meta.get("joins") or EVERY_JOIN) for run in contents.runs)
    return "" if list(patterns) == [EVERY_JOIN] else text("skips.chosen_joins", joins=", ".join(patterns))


def _share_in_words(frame: pd.DataFrame) -> str:
    """Return how much the skips carry, for those who cannot see the figure."""
    shares = frame["skip_share"].dropna()
    if shares.empty:
        return text("skips.alt.none")
    low, high = float(shares.min()), float(shares.max())
    return text("skips.alt.share", low=percent(low), high=percent(high), joins=count(len(shares), "joins"))


def _without_in_words(frame: pd.DataFrame, where: str) -> str:
    """Return each network's ends with and without the skips, an empty string where that was not measured."""
    sentences = []
    for run, rows in frame.groupby("run", sort=False):
        ends = {str(variant): _apart(one) for variant, one in rows.groupby("variant", sort=False)}
        written = {name.replace(" ", "_"): decades(value) for name, value in ends.items()}
        if "without_skips" in written:
            sentences.append(text("skips.without", run=run, where=where or text("skips.every_join"), **written))
        if "plain_twin" in written:
            sentences.append(text("skips.twin", change=written["plain_twin"]))
    return " ".join(sentences)


def _apart(rows: pd.DataFrame) -> float:
    """Return the first layer's norm over the last one's, in decades."""
    ordered = rows.sort_values("layer_depth", kind="stable")["out_grad_norm"]
    first, last = float(ordered.iloc[0]), float(ordered.iloc[-1])
    return math.log10(first / last) if first > 0 and last > 0 else math.nan


def _table(frame: pd.DataFrame) -> Table:
    """Return one row per join of one network."""
    rows = [
        [
            Cell(str(row["join"]), "" if row["status"] == MEASURED else word(str(row["status"]))),
            Cell(word(str(row["kind"]))),
            Cell(_or_dash(row["skip_share"], percent)),
            *(Cell(_or_dash(row[name], partial(number, digits=2))) for name in ("skip_sq", "branch_sq", "cross")),
            Cell(_or_dash(row["angle"], lambda angle: f"{angle:.0f}°")),
            Cell(_or_dash(row["branch_ratio"], partial(number, digits=2))),
        ]
        for row in frame.to_dict("records")
    ]
    columns = ["join", "join_kind", "skip_share", "skip_sq", "branch_sq", "cross", "angle", "branch_ratio"]
    if (frame["lesion_status"] != "").any():
        columns.append("lesion")
        for cells, row in zip(rows, frame.to_dict("records"), strict=True):
            cells.append(_lesion(row))
    return table("skips", text("table.skips"), columns, rows, "tables/skips.csv")


def _lesion(row: Mapping[Hashable, Any]) -> Cell:
    """Return the change of the loss, or why there is none."""
    written = _or_dash(row["lesion"], number)
    why = str(row["lesion_status"])
    return Cell(f"+{written}" if row["lesion"] > 0 else written, "" if why == MEASURED else word(why))


def _or_dash(value: float, form: Callable[[float], str]) -> str:
    return "–" if math.isnan(value) else form(value)
