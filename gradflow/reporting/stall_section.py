"""The section on why networks stall: the chain from the first gradient to the last, in the run's own numbers."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from gradflow.analysis.intervals import Interval
from gradflow.analysis.stall import stall_over_seeds
from gradflow.diagnosis.first_last_ratio import DECADES
from gradflow.figures.stall_figure import ordered, stall
from gradflow.reporting.page_blocks import Statement, Statements
from gradflow.reporting.page_tables import NETWORK, network_name, page_table
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Drawing, Section
from gradflow.tables import Cell, Column, bounded, interval
from gradflow.text import text
from gradflow.text.numbers import multiple, multiple_of, percent, ratio, ratio_interval, times, with_interval
from gradflow.text.words import named

Row = Mapping[Hashable, Any]

STALLED, WORSE = "stalled", ("degraded", "skip_helps")  # keys of findings
FIRST_UPDATE = 2.0  # a growth below it is not what the first update did
AGREES = 0.1  # relative difference up to which a growth is the predicted one, in every run


class _Chain(NamedTuple):
    """The networks with batch norm and weight norms, by run and over seeds, and what is said of those that stalled."""

    frame: pd.DataFrame
    statements: list[Statement]


def _chain(data: ReportData) -> _Chain | None:
    """Return None if no network with batch norm was compared or no weight norm recorded."""
    if not data.is_comparison or not data.with_layers:
        return None
    runs = data.stall[data.stall["batch_norm"] & (data.stall["growth"] > 0)]
    if runs.empty:
        return None
    frame = ordered(stall_over_seeds(runs))
    stalled = _stalled(data)
    rows: list[Row] = [*frame.to_dict("records")]
    return _Chain(frame, _statements([row for row in rows if network_name(row) in stalled], rows, runs))


def _alt(_: ReportData, chain: _Chain) -> str:
    said = f"{chain.statements[0].sentence.rstrip(':')}." if chain.statements else text("why.none")
    return text("why.alt", finding=said)


def _stalled(data: ReportData) -> set[str]:
    """Return the networks that both train worse than another and outgrew their learning rate, each by its own rule."""
    outgrown = {named(one.subject.label) for one in data.findings if one.key == STALLED}
    return outgrown & {named(one.subject.label) for one in data.findings if one.key in WORSE}


def _statements(stalled: list[Row], rows: list[Row], runs: pd.DataFrame) -> list[Statement]:
    """Return the chain of the deepest network that stalled, and in one line each the others and those as deep."""
    if not stalled:
        return []
    deepest = max(stalled, key=lambda row: int(row["depth"]))
    own = runs[(runs["family"] == deepest["family"]) & (runs["depth"] == deepest["depth"])]
    chain = Statement(text("why.network", network=network_name(deepest)), [], "", tuple(_links(deepest, own)))
    others = [row for row in rows if row is not deepest and (row in stalled or row["depth"] == deepest["depth"])]
    if not others:
        return [chain]
    return [chain, Statement(text("why.others"), [], "", tuple(map(_beside, others)))]


def _links(row: Row, runs: pd.DataFrame) -> list[str]:
    """Return a sentence for each of one network's links that holds."""
    growth = _of(row, "growth")
    lines = []
    if _bound(row, "start_decades") > 0:
        lines.append(text("why.start", **_sized(row, "start_decades")))
    if _is_first_updates_doing(row, runs):
        first, predicted = _written(row, "first_growth", times), times(row["predicted_growth"])
        lines.append(text("why.first", growth=first, predicted=predicted))
    values = {"growth": with_interval(growth, times), "slowdown": times(growth.mean**2)}
    lines.append(text("why.growth", step=row["last_step"], **values))
    if _bound(row, "end_decades") < 0:
        key = "why.vanished" if _bound(row, "end_decades") < -DECADES else "why.end"
        lines.append(text(key, **_sized(row, "end_decades")))
        lines.append(text("why.scaled", **_sized(row, "end_decades_scaled")))
    return [*lines, text("why.error", error=_written(row, "train_error", percent))]


def _is_first_updates_doing(row: Row, runs: pd.DataFrame) -> bool:
    """Whether the first update lengthened the weights, in every run as far as its gradient predicts."""
    off = (runs["first_growth"] / runs["predicted_growth"] - 1).abs()
    return bool((off <= AGREES).all()) and _bound(row, "first_growth", neutral=FIRST_UPDATE) > FIRST_UPDATE


def _beside(row: Row) -> str:
    return text(
        "why.beside",
        network=network_name(row),
        start=ratio(row["start_decades"]),
        growth=times(row["growth"]),
        step=row["last_step"],
        end=ratio(row["end_decades"]),
        error=percent(row["train_error"]),
    )


def _bound(row: Row, link: str, neutral: float = 0.0) -> float:
    """Return the bound of a link's interval that is nearer to where nothing happens; one seed's value as it is."""
    mean, low, high = (float(row[f"{link}{end}"]) for end in ("", "_low", "_high"))
    if math.isnan(low):
        return mean
    return low if mean > neutral else high


def _of(row: Row, link: str) -> Interval:
    return Interval(row[link], row[f"{link}_low"], row[f"{link}_high"], int(row["n"]))


def _written(row: Row, link: str, form: Any) -> str:
    return with_interval(_of(row, link), form)


def _sized(row: Row, link: str) -> dict[str, str]:
    """Return how much larger or smaller the first layer's gradient is, and the interval, as sentences have them."""
    return {"ratio": ratio(row[link]), "bounds": ratio_interval(_of(row, link))}


def _left(row: Row) -> Cell:
    """Return the effective learning rate at the end over that at the start: it falls by the growth squared."""
    mean, high, low = (-2 * math.log10(row[f"growth{end}"]) for end in ("", "_low", "_high"))
    return bounded(mean, low, high, int(row["n"]), multiple)


def _first(row: Row) -> Cell:
    """Return the growth of the first update, and beneath it what the gradient before it predicts."""
    ends = row["first_growth"], row["first_growth_low"], row["first_growth_high"]
    first = bounded(*ends, int(row["n"]), multiple_of)
    if math.isnan(row["predicted_growth"]):
        return first
    return Cell(first.main, text("cell.predicted", value=multiple_of(row["predicted_growth"])))


COLUMNS = (
    NETWORK,
    interval("start_decades", multiple),
    Column("first_growth", _first),
    interval("weight_growth", multiple_of, of="growth"),
    Column("effective_lr", _left),
    interval("end_decades", multiple),
    interval("train_error", percent),
)


def _files(data: ReportData) -> dict[str, pd.DataFrame]:
    return {"stall": data.stall, "stall_over_seeds": data.stall_over_seeds} if data.with_layers else {}


WHY = Section(
    "why",
    140,
    _chain,
    words=("why.lead", lambda _, chain: text("why.caveat" if chain.statements else "why.none")),
    parts=(
        lambda _, chain: Statements(text("why.stalled"), "notice", chain.statements) if chain.statements else None,
        Drawing(
            "stall",
            lambda _, chain: partial(stall, chain.frame),
            _alt,
        ),
        lambda _, chain: page_table("stall", COLUMNS, chain.frame, "tables/stall_over_seeds.csv"),
    ),
    files=_files,
    is_detail=True,
)
