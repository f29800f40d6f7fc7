"""The sections on what probes found: whether gradients of different inputs agree, and how long their paths are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from gradflow.analysis.paths import PathLengths, PublishedLengths, path_lengths, share_within
from gradflow.figures.autocorrelation import autocorrelation as autocorrelation_described
from gradflow.figures.names import run_name
from gradflow.figures.paths import paths as described_paths
from gradflow.figures.shattering import norm_name
from gradflow.figures.shattering import shattering as by_depth_described
from gradflow.figures.shattering_layers import shattering_layers as by_layer_described
from gradflow.plots import autocorrelation_figure, paths_figure, shattering_figure, shattering_layers_figure
from gradflow.recording import AUTOCORRELATION, SHATTERING
from gradflow.reporting.blocks import Block
from gradflow.reporting.figures import Picture, draw
from gradflow.reporting.live.screen import live
from gradflow.reporting.published_section import published_lengths
from gradflow.reporting.report_data import ReportData, holding
from gradflow.reporting.section import Section
from gradflow.reporting.tables import NETWORK, network_name, page_table
from gradflow.tables import DASH, Cell, Column, Table, column, interval, words
from gradflow.text import text
from gradflow.text.numbers import count, number, percent

MIN_LAYERS = 3  # of a network of which a line over layers is drawn


def _correlation(data: ReportData, _: Any) -> list[Block]:
    """Return the figure of the correlations at the input, by layer or depth, and their table."""
    if not holding(data.probed, SHATTERING):
        return []
    frame, layers = data.shattering, data.shattering_by_layer
    drawn = frame.dropna(subset=["depth", "mean"])
    low, high = number(drawn["mean"].min(), 2), number(drawn["mean"].max(), 2)
    said = {"low": low, "high": high, "networks": count(len(drawn), "networks")}
    table = _correlations(frame)
    if _has_lines(layers):
        make, shown, key = (
            partial(shattering_layers_figure, layers),
            by_layer_described(layers),
            "shattering.alt_layers",
        )
    elif drawn["depth"].nunique() > 1:
        make, shown, key = partial(shattering_figure, drawn), by_depth_described(drawn), "shattering.alt"
    else:
        return [table]
    return [draw("shattering", make, data.folder, alt=text(key, **said), live=live(shown, 320)), table]


def _lags(data: ReportData, _: Any) -> Picture | None:
    if not holding(data.probed, AUTOCORRELATION):
        return None
    lags = data.autocorrelation
    shown = live(autocorrelation_described(lags), notes=[text("live.noise")])
    make, alt = partial(autocorrelation_figure, lags), text("shattering.alt_lags")
    return draw("autocorrelation", make, data.folder, alt=alt, live=shown)


def _has_lines(layers: pd.DataFrame) -> bool:
    """Whether the correlations make a line of layers for every network, and one line alone."""
    places = layers.groupby(["family", "depth"], dropna=False)["layers_after"]
    return bool((places.nunique() >= MIN_LAYERS).all() and not places.apply(lambda one: one.duplicated().any()).any())


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
        make = partial(paths_figure, one.frame, published=known)
        shown = live(described_paths(one.frame, published=known, figure_name=name))
        alt = text("paths.alt", said=one.words)
        blocks.append(draw(name, make, data.folder, alt=alt, caption=one.words, live=shown))
    rows = [{"run": one.run, "blocks": len(one.frame) - 1, "lengths": one.lengths} for one in runs]
    return [*blocks, page_table("paths", PATHS_COLUMNS, rows, "tables/paths.csv")]


def _correlations(frame: pd.DataFrame) -> Table:
    """Return one row per network: the correlation with its interval, beside the closed form where there is one."""
    short = partial(number, digits=2)
    columns = [NETWORK, words("norm", norm_name), interval("correlation", short, of="mean", bounds="{1}")]
    if frame["predicted"].notna().any():
        columns.append(column("correlation_predicted", short, of="predicted"))
    return page_table("shattering", columns, frame, "tables/shattering.csv")


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


PATHS_COLUMNS = (
    words("network", of="run"),
    column("blocks"),
    _of_lengths("mean_length", lambda found: f"{found.mean:.1f}"),
    _of_lengths("path_middle", lambda found: f"{found.quarter} – {found.three_quarters}"),
    _of_lengths("path_nearly_all", lambda found: f"{found.shortest} – {found.longest}"),
)


def _shattering_files(data: ReportData) -> dict[str, pd.DataFrame]:
    found: dict[str, pd.DataFrame] = {}
    if holding(data.probed, SHATTERING):
        found |= {"shattering": data.shattering, "shattering_by_layer": data.shattering_by_layer}
    if holding(data.probed, AUTOCORRELATION):
        found["autocorrelation"] = data.autocorrelation
    return found


SHATTERING_SECTION = Section(
    "shattering",
    90,
    lambda data: any(holding(data.probed, probe) for probe in (SHATTERING, AUTOCORRELATION)),
    words=("shattering.lead", lambda data, _: text("shattering.before") if data.is_of_compare else ""),
    parts=(_correlation, _lags),
    files=_shattering_files,
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
