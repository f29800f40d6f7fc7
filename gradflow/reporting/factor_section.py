"""The section on the factor per layer before training, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradflow.reporting.page_tables import NETWORK, at, by_network, network_name, page_table
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Section
from gradflow.tables import DASH, Column, Table, interval
from gradflow.text import text
from gradflow.text.numbers import factor
from gradflow.text.words import named
from gradflow.theory import factor_per_layer


def _closed(data: ReportData) -> float | None:
    """Return the closed form of batch norm before ReLU, None where something else was run."""
    is_compare = any(run.meta.get("experiment") == "compare" for run in data.runs)
    is_batch_norm_relu = is_compare and data.has_batch_norm
    return factor_per_layer(activation="relu", init="kaiming", norm="batch") if is_batch_norm_relu else None


def _law(data: ReportData, _: Any) -> str:
    closed = _closed(data)
    return "" if closed is None else text("factor.closed_form", factor=factor(closed))


def _table(data: ReportData, _: Any) -> Table:
    """Return one row per network, one column per stage: the measured factor, with the closed form beside them."""
    factors = data.factors.dropna(subset="factor")
    columns = [
        at("factor", interval("factor", factor, bounds="{1}").cell, stage, head=text("cell.stage", number=stage + 1))
        for stage in sorted(factors["stage"].unique())
    ]
    closed = _closed(data)
    stated = {
        named(one.subject.label): value
        for one in data.findings
        if isinstance(value := one.values.get("predicted"), float)
    }
    law = Column("closed_form", lambda row: _law_of(row, closed, stated), is_number=False)
    rows = by_network(factors, "stage")
    return page_table("factor", (NETWORK, *columns, law), rows, "tables/decay_over_seeds.csv")


def _law_of(row: Mapping[Any, Any], closed: float | None, stated: Mapping[str, float]) -> str:
    """Return what a finding says that theory predicts, or what it says of batch norm before ReLU where that was run."""
    family, label = str(row["family"]), network_name(row)
    if label in stated:
        return factor(stated[label])
    if closed is None or family not in ("plain", "residual"):
        return DASH
    return factor(closed) if family == "plain" else text("word.power law")


FACTOR = Section(
    "factor",
    50,
    lambda data: bool(data.with_layers) and bool(data.factors["factor"].notna().any()),
    words=("factor.lead", _law),
    parts=(_table,),
    files=lambda data: {"decay": data.decay, "decay_over_seeds": data.factors} if data.with_layers else {},
    is_detail=True,
)
