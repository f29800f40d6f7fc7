"""The section on the vanishing gradient: the toy's arithmetic, and real networks at initialisation beside it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any

import pandas as pd

from gradflow import theory
from gradflow.figures.vanishing_figure import MEASURES
from gradflow.figures.vanishing_figure import vanishing as described
from gradflow.plots import vanishing_figure
from gradflow.reporting.live.screen import live
from gradflow.reporting.method import seeds
from gradflow.reporting.page_blocks import Block
from gradflow.reporting.page_figures import draw
from gradflow.reporting.page_tables import page_table
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Section
from gradflow.tables import DASH, Cell, Column, Table, column, interval, words
from gradflow.text import text
from gradflow.text.numbers import count, factor, multiple, number, percent
from gradflow.text.words import named, word

TOY_LAYERS = (5, 10, 15, 20)


def _lead(data: ReportData, _: Any) -> str:
    return text(
        "vanishing.lead",
        seeds=seeds(data.demonstration),
        factor=factor(theory.TOY_FACTOR),
        after=number(float(theory.toy(layers=TOY_LAYERS[-1])[-1])),
        layers=count(TOY_LAYERS[-1], "layers"),
    )


def _figures(data: ReportData, frame: pd.DataFrame) -> list[Block]:
    """Return a figure for each gradient; on a screen the first one shows all."""
    drawn = [measure for measure in MEASURES if (frame.loc[frame["measure"] == measure, "mean"] > 0).any()]
    shown = live(described(frame), 340) if drawn else None
    return [
        draw(
            f"vanishing-{measure.replace('_', '-')}",
            partial(vanishing_figure, frame, measure=measure),
            data.folder,
            alt=text(f"vanishing.alt.{measure}", finding=_in_words(data.vanishing)).strip(),
            caption=text(f"vanishing.caption.{measure}"),
            live=shown if measure == drawn[0] else None,
            is_covered=measure != drawn[0] or shown is None,
        )
        for measure in drawn
    ]


def _in_words(frame: pd.DataFrame) -> str:
    """Return each setting's measured factor and verdict in one line, for those who cannot see the figure."""
    lines = [
        text("vanishing.line", label=named(row["label"]), factor=factor(row["factor"]), verdict=word(row["verdict"]))
        for row in frame.to_dict("records")
    ]
    return text("list.sentences").join(lines)


def _toy_table(*_: Any) -> Table:
    """Return what a factor of 0.8 per layer leaves after 5, 10, 15 and 20 layers."""
    left = theory.toy(layers=TOY_LAYERS[-1])
    columns = (words("layers_passed"), column("gradient_left", "{:.6f}".format))
    rows = [{"layers_passed": layers, "gradient_left": left[layers]} for layers in TOY_LAYERS]
    return page_table("toy", columns, rows, title=text("table.toy", factor=factor(theory.TOY_FACTOR)))


def _predicted(row: Mapping[Hashable, Any]) -> Cell:
    known = ((row["predicted"], factor), (row["difference"], percent))
    value, difference = (DASH if pd.isna(value) else form(value) for value, form in known)
    return Cell(value, difference)


COLUMNS = (
    words("setting", named, of="label"),
    interval("factor", factor, bounds="{1}"),
    Column("predicted", _predicted),
    interval("decades", multiple),
    interval("weight_factor", factor, bounds="weight_{1}"),
    words("verdict", word),
)


def _table(data: ReportData, _: Any) -> Table:
    """Return one row per setting: measured beside predicted."""
    return page_table("vanishing", COLUMNS, data.vanishing, "tables/vanishing.csv")


def _files(data: ReportData) -> dict[str, pd.DataFrame]:
    if not data.demonstration:
        return {}
    return {"vanishing": data.vanishing, "vanishing_profile": data.vanishing_profile}


VANISHING = Section(
    "vanishing",
    150,
    lambda data: data.vanishing_profile if data.demonstration else None,
    words=(_lead, "vanishing.homogeneous"),
    parts=(_toy_table, _figures, _table),
    files=_files,
)
