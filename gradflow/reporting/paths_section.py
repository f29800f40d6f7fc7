"""The section on the lengths of the paths by which the gradient comes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from gradflow.analysis.paths import PathLengths, PublishedLengths, path_lengths, share_within
from gradflow.figures.names import run_name
from gradflow.figures.paths_figure import paths
from gradflow.reporting.page_blocks import Block
from gradflow.reporting.page_figures import draw_both
from gradflow.reporting.page_tables import network_name, page_table
from gradflow.reporting.published_section import published_lengths
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Section
from gradflow.tables import DASH, Cell, Column, column, words
from gradflow.text import text
from gradflow.text.numbers import count, percent


class _Run(NamedTuple):
    """One run's path lengths, None where they could not be counted, and what is said of them."""

    run: str
    frame: pd.DataFrame
    lengths: PathLengths | None
    words: str


def _runs(data: ReportData) -> list[_Run] | None:
    """Return None if no recording holds what `gradflow.probe.effective_paths` found."""
    if not data.probed or data.paths.empty:
        return None
    known, found = published_lengths(data), []
    for _, frame in data.paths.groupby("run", sort=False):
        lengths = None if frame["share"].isna().any() else path_lengths(frame)
        name = run_name(frame.iloc[0])
        found.append(_Run(name, frame, lengths, _in_words(name, frame, lengths, known)))
    return found


def _lengths(data: ReportData, runs: list[_Run]) -> list[Block]:
    """Return a figure of the first run of each network, and a table of all."""
    known = published_lengths(data)
    firsts = {network_name(one.frame.iloc[0]): one for one in reversed(runs) if one.lengths is not None}
    drawn = [one for one in runs if any(one is first for first in firsts.values())]
    blocks: list[Block] = []
    for place, one in enumerate(drawn, start=1):
        name = "paths" if place == 1 else f"paths-{place}"
        described = partial(paths, one.frame, published=known, figure_name=name)
        alt = text("paths.alt", said=one.words)
        blocks.append(draw_both(name, described, data.folder, alt=alt, caption=one.words))
    rows = [{"run": one.run, "blocks": len(one.frame) - 1, "lengths": one.lengths} for one in runs]
    return [*blocks, page_table("paths", COLUMNS, rows, "tables/paths.csv")]


def _in_words(run: str, frame: pd.DataFrame, found: PathLengths | None, known: PublishedLengths | None) -> str:
    """Return where the lengths lie: how much of the gradient comes by those published, or by which half of it does."""
    if found is None:
        return text("paths.none", run=run)
    said = {"run": run, "blocks": count(found.n_blocks, "blocks"), "mean": f"{found.mean:.1f}"}
    if known is None:
        return text("paths.said", **said, quarter=found.quarter, most=count(found.three_quarters, "blocks"))
    return text(
        "paths.said_published",
        **said,
        share=percent(share_within(frame, known.shortest, known.longest)),
        shortest=known.shortest,
        longest=known.longest,
        published=count(known.n_blocks, "blocks"),
        source=known.source,
    )


def _of_lengths(key: str, form: Callable[[PathLengths], str]) -> Column:
    """Return a column of what a run's path lengths say."""

    def cell(row: Any) -> Cell | str:
        return Cell(DASH, text("value.missing")) if row["lengths"] is None else form(row["lengths"])

    return Column(key, cell)


COLUMNS = (
    words("network", of="run"),
    column("blocks"),
    _of_lengths("mean_length", lambda found: f"{found.mean:.1f}"),
    _of_lengths("path_middle", lambda found: f"{found.quarter} – {found.three_quarters}"),
    _of_lengths("path_nearly_all", lambda found: f"{found.shortest} – {found.longest}"),
)
PATHS = Section(
    "paths",
    100,
    _runs,
    words=("paths.lead", lambda _, runs: runs[0].words if len(runs) == 1 else ""),
    parts=(_lengths,),
    files=lambda data: {"paths": data.paths} if data.probed else {},
    is_detail=True,
)
