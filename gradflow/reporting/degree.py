"""The section on the degree of vanishing: decades and laws at several moments of training."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any

import pandas as pd

from gradflow.analysis.intervals import Interval
from gradflow.analysis.vanishing_degree import END, START, longest
from gradflow.figures.degree import moments, per_network
from gradflow.plots import degree_figure
from gradflow.reporting.blocks import Block, Section, section
from gradflow.reporting.contents import Contents
from gradflow.reporting.figures import draw
from gradflow.reporting.live.degree import degree as live_degree
from gradflow.reporting.tables import Cell, Column, Table, bounded, network_name, table
from gradflow.text import text
from gradflow.text.numbers import decades, factor, signed, with_interval
from gradflow.text.words import sentence_case, word

MEASURE = "out_grad_norm"
FILE = "tables/degree_over_seeds.csv"


def degree(contents: Contents) -> Section | None:
    """Return the section, or None if no gradient was recorded at two moments of training."""
    if not contents.with_layers:
        return None
    frame = contents.degree_over_seeds
    known = frame[(frame["measure"] == MEASURE) & (frame["decades_n"] > 0)]
    if known["moment"].nunique() < 2:
        return None
    said = _turns(per_network(known))
    picture = draw(
        "degree",
        partial(degree_figure, frame),
        contents.folder,
        alt=text("degree.alt", finding=said).strip(),
        live=live_degree(frame),
    )
    blocks: list[Block] = [picture, _decades_table(per_network(known)), _law_table(longest(known))]
    norm = text("degree.batch_norm") if contents.has_batch_norm else ""
    return section("degree", text("degree.lead"), norm, said, text("degree.law"), blocks=blocks)


def _turns(frame: pd.DataFrame) -> str:
    """Return a sentence for each network whose gradient has another sign after training, or that there is none."""
    sentences, compared = [], 0
    for _, rows in frame.groupby(["family", "depth"], dropna=False):
        by_moment = {row["moment"]: row for row in rows.to_dict("records")}
        if not {START, END} <= by_moment.keys():
            continue
        compared += 1
        start, end = by_moment[START], by_moment[END]
        if _sign(start) * _sign(end) == -1:
            values = {
                "start": with_interval(_interval(start), decades),
                "end": with_interval(_interval(end), decades),
                "first": start["steps"],
                "last": end["steps"],
            }
            sentences.append(text("degree.turns", network=network_name(start), **values))
    if sentences or not compared:
        return text("list.sentences").join(sentences)
    return text("degree.lasts")


def _sign(row: Mapping[Hashable, Any]) -> int:
    """Return 1 or -1 where the interval, or the one seed's value, lies above or below 0, else 0."""
    low, high = (row["decades"] if math.isnan(row[name]) else row[name] for name in ("decades_low", "decades_high"))
    return int(low > 0) - int(high < 0)


def _interval(row: Mapping[Hashable, Any]) -> Interval:
    return Interval(row["decades"], row["decades_low"], row["decades_high"], int(row["decades_n"]))


def _decades_table(frame: pd.DataFrame) -> Table:
    """Return one row per network, one column per moment."""
    order = moments(frame)
    rows = []
    for _, network in frame.groupby(["family", "depth"], dropna=False):
        by_moment = {row["moment"]: row for row in network.to_dict("records")}
        cells = [Cell("–")] * len(order)
        for place, moment in enumerate(order):
            if moment in by_moment:
                value = _interval(by_moment[moment])
                cells[place] = bounded(value.mean, value.low, value.high, value.n, signed)
        rows.append([Cell(network_name(network.iloc[0])), *cells])
    found = table("degree", text("table.degree"), ("network",), rows, FILE)
    return found._replace(columns=(*found.columns, *(Column(_head(frame, moment)) for moment in order)))


def _law_table(frame: pd.DataFrame) -> Table:
    """Return one row per network: layers, and factor and law before and after training."""
    shown = [moment for moment in (START, END) if moment in set(frame["moment"])]
    rows = []
    for _, network in frame.groupby(["family", "depth"], dropna=False):
        by_moment = {row["moment"]: row for row in network.to_dict("records")}
        cells = [Cell(network_name(network.iloc[0])), Cell(str(network["n_layers"].min()))]
        for moment in shown:
            row = by_moment.get(moment)
            cells += [Cell("–"), Cell("–")] if row is None else [_factor(row), _law(row)]
        rows.append(cells)
    found = table("law", text("table.law"), ("network", "layers"), rows, FILE)
    heads = []
    for moment in shown:
        step = _steps(frame, moment)
        heads += [Column(text("cell.factor_at", step=step)), Column(text("cell.law_at", step=step), is_number=False)]
    return found._replace(columns=(*found.columns, *heads))


def _factor(row: Mapping[Hashable, Any]) -> Cell:
    return bounded(row["factor"], row["low"], row["high"], int(row["n"]), factor)


def _law(row: Mapping[Hashable, Any]) -> Cell:
    """Return the law, and beneath it the difference of AICc with its interval."""
    name = word(str(row["law"]))
    if math.isnan(row["delta_aicc"]):
        return Cell(name)
    delta = signed(row["delta_aicc"])
    if math.isnan(row["delta_low"]):
        return Cell(name, text("cell.delta", delta=delta))
    low, high = signed(row["delta_low"]), signed(row["delta_high"])
    return Cell(name, text("cell.delta_interval", delta=delta, low=low, high=high))


def _head(frame: pd.DataFrame, moment: str) -> str:
    return sentence_case(text("head.step", step=_steps(frame, moment)))


def _steps(frame: pd.DataFrame, moment: str) -> str:
    """Return the recorded steps that stand for a moment, over all networks."""
    steps = {step for steps in frame.loc[frame["moment"] == moment, "steps"] for step in steps.split(", ")}
    return text("list.enumeration").join(sorted(steps, key=int))
