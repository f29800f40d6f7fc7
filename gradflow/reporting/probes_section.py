"""The sections on what probes found: whether gradients of different inputs agree, and how long their paths are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd

from gradflow.analysis.paths import PathLengths, PublishedLengths, path_lengths, share_within
from gradflow.figures.autocorrelation import autocorrelation as autocorrelation_described
from gradflow.figures.paths import paths as described_paths
from gradflow.figures.shattering import norm_name
from gradflow.figures.shattering import shattering as by_depth_described
from gradflow.figures.shattering_layers import shattering_layers as by_layer_described
from gradflow.plots import autocorrelation_figure, paths_figure, shattering_figure, shattering_layers_figure
from gradflow.recording import AUTOCORRELATION, SHATTERING
from gradflow.reporting.blocks import Block, Section, section
from gradflow.reporting.figures import draw
from gradflow.reporting.live import beside
from gradflow.reporting.live.screen import live
from gradflow.reporting.published_section import published_lengths
from gradflow.reporting.report_data import ReportData, holding
from gradflow.reporting.tables import NETWORK, RUN, network_name, page_table
from gradflow.tables import DASH, Cell, Column, Table, column, interval, words
from gradflow.text import text
from gradflow.text.numbers import count, number, percent

FEWEST_LAYERS = 3  # of a network of which a line over layers is drawn


def shattering(data: ReportData) -> Section | None:
    """Return the section, or None if no recording holds the probes of `gradflow.probe.shattering` at the input."""
    blocks: list[Block] = []
    if holding(data.probed, SHATTERING):
        frame, layers = data.shattering, data.shattering_by_layer
        drawn = frame.dropna(subset=["depth", "mean"])
        low, high = number(drawn["mean"].min(), 2), number(drawn["mean"].max(), 2)
        said = {"low": low, "high": high, "networks": count(len(drawn), "networks")}
        if _has_lines(layers):
            by_layer, alt = partial(shattering_layers_figure, layers), text("shattering.alt_layers", **said)
            blocks.append(
                draw("shattering", by_layer, data.folder, alt=alt, live=live(by_layer_described(layers), 320))
            )
        elif drawn["depth"].nunique() > 1:
            by_depth, alt = partial(shattering_figure, drawn), text("shattering.alt", **said)
            blocks.append(draw("shattering", by_depth, data.folder, alt=alt, live=live(by_depth_described(drawn), 320)))
        blocks.append(_correlations(frame))
    if holding(data.probed, AUTOCORRELATION):
        lags = data.autocorrelation
        make, alt = partial(autocorrelation_figure, lags), text("shattering.alt_lags")
        shown = live(autocorrelation_described(lags), notes=[text("live.noise")])
        blocks.append(draw("autocorrelation", make, data.folder, alt=alt, live=shown))
    if not blocks:
        return None
    when = text("shattering.before") if data.is_of_compare else ""
    return section("shattering", text("shattering.lead"), when, blocks=blocks)


def _has_lines(layers: pd.DataFrame) -> bool:
    """Whether the correlations make a line of layers for every network, and one line alone."""
    places = layers.groupby(["family", "depth"], dropna=False)["layers_after"]
    return bool(
        (places.nunique() >= FEWEST_LAYERS).all() and not places.apply(lambda one: one.duplicated().any()).any()
    )


def paths(data: ReportData) -> Section | None:
    """Return the section, or None if no recording holds what `gradflow.probe.effective_paths` found.

    A figure is drawn of the first run of each network, the table has all.
    """
    if not data.probed or data.paths.empty:
        return None
    rows: list[dict[str, Any]] = []
    blocks: list[Block] = []
    said: list[str] = []
    drawn: set[str] = set()
    known = published_lengths(data)
    for run, frame in data.paths.groupby("run", sort=False):
        lengths = None if frame["share"].isna().any() else path_lengths(frame)
        sentence, network = _in_words(str(run), frame, lengths, known), network_name(frame.iloc[0])
        rows.append({"run": run, "blocks": len(frame) - 1, "lengths": lengths})
        said.append(sentence)
        if lengths is not None and network not in drawn:
            drawn.add(network)
            name = "paths" if len(drawn) == 1 else f"paths-{len(drawn)}"
            alt = text("paths.alt", said=sentence)
            make = partial(paths_figure, frame, published=known)
            live = beside.live(described_paths(frame, published=known, name=name))
            blocks.append(draw(name, make, data.folder, alt=alt, caption=sentence, live=live))
    blocks.append(page_table("paths", PATHS, rows, "tables/paths.csv"))
    return section("paths", text("paths.lead"), said[0] if len(said) == 1 else "", blocks=blocks)


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


PATHS = (
    RUN,
    column("blocks"),
    _of_lengths("mean_length", lambda found: f"{found.mean:.1f}"),
    _of_lengths("path_middle", lambda found: f"{found.quarter} – {found.three_quarters}"),
    _of_lengths("path_nearly_all", lambda found: f"{found.shortest} – {found.longest}"),
)
