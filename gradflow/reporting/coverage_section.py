"""The section on what was not measured, and why."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from gradflow.analysis.nonfinite import arrived_nonfinite
from gradflow.reporting.method import n_layers
from gradflow.reporting.page_blocks import Facts
from gradflow.reporting.page_tables import page_table
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Section
from gradflow.tables import Table, column, words
from gradflow.text import has, text
from gradflow.text.numbers import count
from gradflow.text.words import word

COLUMNS = (words("status", word), words("kind"), column("layers"), column("runs"), words("example"))


def _lead(data: ReportData, total: int) -> str:
    unmeasured = len(data.coverage)
    layers = count(total, "layers")
    if not unmeasured:
        return text("coverage.full", layers=layers)
    return text("coverage.lead", measured=total - unmeasured, layers=layers)


def _nonfinite(data: ReportData, _: Any) -> str:
    """Return in how many layers gradients arrived and none was finite, empty where there is no such layer."""
    n = 0
    for run in data.recordings:
        arrived = arrived_nonfinite(run.layers, "out_grad_norm")
        if not arrived.any():
            continue
        is_finite = np.isfinite(run.layers["out_grad_norm"].to_numpy())
        n += len(set(run.layers.loc[arrived, "layer"]) - set(run.layers.loc[is_finite, "layer"]))
    return text("coverage.nonfinite", layers=count(n, "layers")) if n else ""


def _unprobed(data: ReportData, _: Any) -> list[str]:
    """Return a sentence for each probe that found nothing, and why, with the number of runs."""
    failed = Counter(
        (str(probe), str(why)) for run in data.runs for probe, why in dict(run.meta.get("not_probed") or {}).items()
    )
    return [
        text("coverage.unprobed", probe=word(probe), runs=count(n, "runs"), why=why)
        for (probe, why), n in failed.items()
    ]


def _table(data: ReportData, _: Any) -> Table | None:
    """Return one row per reason and kind of layer: how many layers, in how many runs, and which is the first."""
    found = data.coverage.groupby(["status", "kind"], sort=False)
    counted = found.agg(layers=("layer", "size"), runs=("run", "nunique"), example=("layer", "first")).reset_index()
    return page_table("coverage", COLUMNS, counted, "tables/coverage.csv") if len(counted) else None


def _meanings(data: ReportData, _: Any) -> Facts | None:
    known = [status for status in dict.fromkeys(data.coverage["status"]) if has(f"status.{status}")]
    return Facts([(word(status), text(f"status.{status}")) for status in known]) if known else None


COVERAGE = Section(
    "coverage",
    230,
    lambda data: n_layers(data.recordings) or None,
    words=(_lead, _nonfinite, _unprobed),
    parts=(_table, _meanings),
    files=lambda data: {"coverage": data.coverage},
    is_detail=True,
)
