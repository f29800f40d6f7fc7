"""The section on whether gradients of different inputs agree: their correlation, and how it fades along a line."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd

from gradflow.figures.autocorrelation_figure import autocorrelation
from gradflow.figures.shattering_figure import norm_name, shattering
from gradflow.figures.shattering_layers_figure import shattering_layers
from gradflow.recording import AUTOCORRELATION, SHATTERING
from gradflow.reporting.page_blocks import Block
from gradflow.reporting.page_figures import Picture, draw_both
from gradflow.reporting.page_tables import NETWORK, page_table
from gradflow.reporting.report_data import ReportData, holding
from gradflow.reporting.section import Section
from gradflow.tables import Table, column, interval, words
from gradflow.text import text
from gradflow.text.numbers import count, number

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
        described, key = partial(shattering_layers, layers), "shattering.alt_layers"
    elif drawn["depth"].nunique() > 1:
        described, key = partial(shattering, drawn), "shattering.alt"
    else:
        return [table]
    return [draw_both("shattering", described, data.folder, alt=text(key, **said), height=320), table]


def _lags(data: ReportData, _: Any) -> Picture | None:
    if not holding(data.probed, AUTOCORRELATION):
        return None
    described, alt = partial(autocorrelation, data.autocorrelation), text("shattering.alt_lags")
    return draw_both("autocorrelation", described, data.folder, alt=alt, notes=[text("live.noise")])


def _has_lines(layers: pd.DataFrame) -> bool:
    """Whether the correlations make a line of layers for every network, and one line alone."""
    places = layers.groupby(["family", "depth"], dropna=False)["layers_after"]
    return bool((places.nunique() >= MIN_LAYERS).all() and not places.apply(lambda one: one.duplicated().any()).any())


def _correlations(frame: pd.DataFrame) -> Table:
    """Return one row per network: the correlation with its interval, beside the closed form where there is one."""
    short = partial(number, digits=2)
    columns = [NETWORK, words("norm", norm_name), interval("correlation", short, of="mean", bounds="{1}")]
    if frame["predicted"].notna().any():
        columns.append(column("correlation_predicted", short, of="predicted"))
    return page_table("shattering", columns, frame, "tables/shattering.csv")


def _files(data: ReportData) -> dict[str, pd.DataFrame]:
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
    files=_files,
)
