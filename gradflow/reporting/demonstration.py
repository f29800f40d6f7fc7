"""The section on the vanishing gradient: the toy's arithmetic, and real networks at initialisation beside it."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gradflow import theory
from gradflow.figures.vanishing import MEASURES
from gradflow.figures.vanishing import vanishing as described
from gradflow.plots import vanishing_figure
from gradflow.reporting.blocks import Block, Section, section
from gradflow.reporting.contents import Contents
from gradflow.reporting.figures import draw
from gradflow.reporting.live import screen
from gradflow.reporting.method import seeds
from gradflow.reporting.tables import Cell, Table, bounded, table
from gradflow.text import text
from gradflow.text.numbers import count, factor, number, percent, signed
from gradflow.text.words import named, word

TOY_LAYERS = (5, 10, 15, 20)


def vanishing(contents: Contents) -> Section | None:
    """Return the section, or None if no recording is of the demonstration."""
    if not contents.demonstration:
        return None
    left = theory.toy(layers=TOY_LAYERS[-1])
    frame = contents.vanishing_profile
    blocks: list[Block] = [_toy_table(left)]
    drawn = [measure for measure in MEASURES if (frame.loc[frame["measure"] == measure, "mean"] > 0).any()]
    live = screen.live(described(frame), 340) if drawn else None
    for measure in drawn:
        make = partial(vanishing_figure, frame, measure=measure)
        alt = text(f"vanishing.alt.{measure}", finding=_in_words(contents.vanishing)).strip()
        caption = text(f"vanishing.caption.{measure}")
        name = f"vanishing-{measure.replace('_', '-')}"
        first, live = live, None
        blocks.append(draw(name, make, contents.folder, alt=alt, caption=caption, live=first, is_covered=first is None))
    blocks.append(_measured_table(contents.vanishing))
    lead = text(
        "vanishing.lead",
        seeds=seeds(contents.demonstration),
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
    rows = [[Cell(str(layers)), Cell(f"{left[layers]:.6f}")] for layers in TOY_LAYERS]
    caption = text("table.toy", factor=factor(theory.TOY_FACTOR))
    return table("toy", caption, ("layers_passed", "gradient_left"), rows)


def _measured_table(frame: pd.DataFrame) -> Table:
    """Return one row per setting: measured beside predicted."""
    rows = []
    for row in frame.to_dict("records"):
        n = int(row["n"])
        off = "–" if pd.isna(row["difference"]) else percent(row["difference"])
        predicted = "–" if pd.isna(row["predicted"]) else factor(row["predicted"])
        rows.append(
            [
                Cell(named(row["label"])),
                bounded(row["factor"], row["low"], row["high"], n, factor),
                Cell(predicted, off),
                bounded(row["decades"], row["decades_low"], row["decades_high"], n, signed),
                bounded(row["weight_factor"], row["weight_low"], row["weight_high"], n, factor),
                Cell(word(row["verdict"])),
            ]
        )
    columns = ("setting", "factor", "predicted", "decades", "weight_factor", "verdict")
    return table("vanishing", text("table.vanishing"), columns, rows, "tables/vanishing.csv")
