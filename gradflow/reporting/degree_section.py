"""The section on the degree of vanishing: decades and laws at several moments of training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd

from gradflow.analysis.intervals import Interval
from gradflow.analysis.vanishing_degree import END, START, longest
from gradflow.figures.degree_figure import degree, moments, per_network
from gradflow.reporting.page_tables import NETWORK, at, by_network, network_name, page_table
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Drawing, Section
from gradflow.tables import Cell, Column, Table, bounded
from gradflow.text import text
from gradflow.text.numbers import factor, multiple, ratio, ratio_interval, signed
from gradflow.text.words import sentence_case, word

MEASURE = "out_grad_norm"
FILE = "tables/degree_over_seeds.csv"

Row = Mapping[Any, Any]


def _known(data: ReportData) -> pd.DataFrame | None:
    """Return the rows of the activation gradient, None where there are fewer than two moments of training."""
    if not data.with_layers:
        return None
    frame = data.degree_over_seeds
    known = frame[(frame["measure"] == MEASURE) & (frame["decades_n"] > 0)]
    return known if known["moment"].nunique() > 1 else None


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
                "start": ratio(start["decades"]) + ratio_interval(_interval(start)),
                "end": ratio(end["decades"]) + ratio_interval(_interval(end)),
                "first": start["steps"],
                "last": end["steps"],
            }
            sentences.append(text("degree.turns", network=network_name(start), **values))
    if sentences or not compared:
        return text("list.sentences").join(sentences)
    return text("degree.lasts")


def _sign(row: Row) -> int:
    """Return 1 or -1 where the interval, or the one seed's value, lies above or below 0, else 0."""
    low, high = (row["decades"] if math.isnan(row[name]) else row[name] for name in ("decades_low", "decades_high"))
    return int(low > 0) - int(high < 0)


def _interval(row: Row) -> Interval:
    return Interval(row["decades"], row["decades_low"], row["decades_high"], int(row["decades_n"]))


def _ratio_table(_: ReportData, known: pd.DataFrame) -> Table:
    """Return one row per network, one column per moment."""
    frame = per_network(known)
    columns = [
        at(moment, _ratio, head=sentence_case(text("head.step", step=_steps(frame, moment))))
        for moment in moments(frame)
    ]
    return page_table("degree", (NETWORK, *columns), by_network(frame, "moment"), FILE)


def _law_table(_: ReportData, known: pd.DataFrame) -> Table:
    """Return one row per network: layers, and factor and law before and after training."""
    frame = longest(known)
    columns = [NETWORK, Column("layers", lambda row: str(min(one["n_layers"] for one in row["by"].values())))]
    for moment in (START, END):
        if moment in set(frame["moment"]):
            step = _steps(frame, moment)
            columns += [
                at(moment, _factor, head=text("cell.factor_at", step=step)),
                at(moment, _law, is_number=False, head=text("cell.law_at", step=step)),
            ]
    return page_table("law", columns, by_network(frame, "moment"), FILE)


def _ratio(row: Row) -> Cell:
    return bounded(row["decades"], row["decades_low"], row["decades_high"], int(row["decades_n"]), multiple)


def _factor(row: Row) -> Cell:
    return bounded(row["factor"], row["low"], row["high"], int(row["n"]), factor)


def _law(row: Row) -> Cell:
    """Return the law, and beneath it the difference of AICc with its interval."""
    name = word(str(row["law"]))
    if math.isnan(row["delta_aicc"]):
        return Cell(name)
    delta = signed(row["delta_aicc"])
    if math.isnan(row["delta_low"]):
        return Cell(name, text("cell.delta", delta=delta))
    low, high = signed(row["delta_low"]), signed(row["delta_high"])
    return Cell(name, text("cell.delta_interval", delta=delta, low=low, high=high))


def _steps(frame: pd.DataFrame, moment: str) -> str:
    """Return the recorded steps that stand for a moment, over all networks."""
    steps = {step for steps in frame.loc[frame["moment"] == moment, "steps"] for step in steps.split(", ")}
    return text("list.enumeration").join(sorted(steps, key=int))


def _files(data: ReportData) -> dict[str, pd.DataFrame]:
    return {"degree": data.degree, "degree_over_seeds": data.degree_over_seeds} if data.with_layers else {}


DEGREE = Section(
    "degree",
    60,
    _known,
    words=(
        "degree.lead",
        lambda data, _: text("degree.batch_norm") if data.has_batch_norm else "",
        lambda _, known: _turns(per_network(known)),
        "degree.law",
    ),
    parts=(
        Drawing(
            "degree",
            lambda data, _: partial(degree, data.degree_over_seeds),
            lambda _, known: text("degree.alt", finding=_turns(per_network(known))).strip(),
        ),
        _ratio_table,
        _law_table,
    ),
    files=_files,
    is_detail=True,
)
