"""The section on the vanishing gradient: the toy's arithmetic, and real networks at initialisation beside it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gradflow import theory
from gradflow.figures.vanishing import MEASURES
from gradflow.figures.vanishing import vanishing as described
from gradflow.plots import vanishing_figure
from gradflow.reporting.blocks import Block, Section, section
from gradflow.reporting.figures import draw
from gradflow.reporting.live import screen
from gradflow.reporting.method import seeds
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.tables import page_table
from gradflow.tables import DASH, Cell, Column, Table, column, interval, words
from gradflow.text import text
from gradflow.text.numbers import count, factor, number, percent, signed
from gradflow.text.words import named, word

TOY_LAYERS = (5, 10, 15, 20)


def vanishing(data: ReportData) -> Section | None:
    """Return the section, or None if no recording is of the demonstration."""
    if not data.demonstration:
        return None
    left = theory.toy(layers=TOY_LAYERS[-1])
    frame = data.vanishing_profile
    blocks: list[Block] = [_toy_table(left)]
    drawn = [measure for measure in MEASURES if (frame.loc[frame["measure"] == measure, "mean"] > 0).any()]
    live = screen.live(described(frame), 340) if drawn else None
    for measure in drawn:
        make = partial(vanishing_figure, frame, measure=measure)
        alt = text(f"vanishing.alt.{measure}", finding=_in_words(data.vanishing)).strip()
        caption = text(f"vanishing.caption.{measure}")
        name = f"vanishing-{measure.replace('_', '-')}"
        first, live = live, None
        blocks.append(draw(name, make, data.folder, alt=alt, caption=caption, live=first, is_covered=first is None))
    blocks.append(page_table("vanishing", COLUMNS, data.vanishing, "tables/vanishing.csv"))
    lead = text(
        "vanishing.lead",
        seeds=seeds(data.demonstration),
        factor=factor(theory.TOY_FACTOR),
        after=number(float(left[-1])),
        layers=count(TOY_LAYERS[-1], "layers"),
    )
    return section("vanishing", lead, text("vanishing.homogeneous"), blocks=blocks)


def _in_words(frame: pd.DataFrame) -> str:
    """Return each setting's measured factor and verdict in one line, for those who cannot see the figure."""
    lines = [
        text("vanishing.line", label=named(row["label"]), factor=factor(row["factor"]), verdict=word(row["verdict"]))
        for row in frame.to_dict("records")
    ]
    return text("list.sentences").join(lines)


def _toy_table(left: NDArray[np.float64]) -> Table:
    """Return what a factor of 0.8 per layer leaves after 5, 10, 15 and 20 layers."""
    columns = (words("layers_passed"), column("gradient_left", "{:.6f}".format))
    rows = [{"layers_passed": layers, "gradient_left": left[layers]} for layers in TOY_LAYERS]
    return page_table("toy", columns, rows, title=text("table.toy", factor=factor(theory.TOY_FACTOR)))


def _predicted(row: Mapping[Hashable, Any]) -> Cell:
    known = ((row["predicted"], factor), (row["difference"], percent))
    return Cell(*(DASH if pd.isna(value) else form(value) for value, form in known))


COLUMNS = (
    words("setting", named, of="label"),
    interval("factor", factor, bounds="{1}"),
    Column("predicted", _predicted),
    interval("decades", signed),
    interval("weight_factor", factor, bounds="weight_{1}"),
    words("verdict", word),
)
