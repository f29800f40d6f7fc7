"""The networks there are and what they cost, and what a bottleneck saves, as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group

from gradflow.cli import output
from gradflow.cli.rich_tables import show, table
from gradflow.models.block_timing import block_rows
from gradflow.models.family_table import family_rows
from gradflow.text import text
from gradflow.text.numbers import count, number
from gradflow.text.words import head, named, word

GIGA, MEGA = 1e9, 1e6
WORDS = (0, 1, 2)  # columns of the networks' table
EQUAL = (256, 256)  # widths in and out at which the blocks compare
UNEQUAL = ((64, 64), (64, 256))  # and at which they do not, the basic block's and the bottleneck's

Row = Mapping[str, Any]


def print_models(*, blocks: bool, repeats: int, form: str | None) -> None:
    """Print the networks, or with `blocks` the blocks, timed here."""
    rows = block_rows(repeats=repeats) if blocks else family_rows()
    if form is not None:
        output.print_rows(form, rows)
        return
    show(blocks_table(rows) if blocks else networks_table(rows))


def networks_table(rows: Sequence[Row]) -> Group:
    """Return the table of `gradflow.models.family_table.family_rows`."""
    columns = ("network", "family", "block", "layers", "parameters", "multiply_adds", "published")
    cells = [
        (
            f"{row['model']}-{row['depth']}",
            named(row["family"]),
            word(row["block"]),
            str(row["weighted_layers"]),
            _grouped(row["parameters"]),
            _scaled(row["multiply_adds"]),
            "" if row["published_multiply_adds"] is None else _scaled(row["published_multiply_adds"], 1),
        )
        for row in rows
    ]
    heads = [head(column, "models.head") for column in columns]
    caption = text("models.caption") + _tasks(rows) + _stride(rows)
    return table(text("models.title"), heads, cells, words=WORDS, caption=caption)


def _tasks(rows: Sequence[Row]) -> str:
    """Return which images and classes each kind of network is counted for."""
    sentences = []
    for model, row in {row["model"]: row for row in rows}.items():
        channels, height, width = row["input_shape"]
        classes = row["num_classes"]
        sentences.append(
            text("models.for", model=model, channels=channels, height=height, width=width, classes=classes)
        )
    return "".join(sentences)


def _stride(rows: Sequence[Row]) -> str:
    """Return what the paper's stride changes, beside what the paper prints."""
    found = [row for row in rows if row["multiply_adds_papers_stride"] not in (None, row["multiply_adds"])]
    counted = [
        text("models.stride.counted", depth=row["depth"], multiply_adds=_scaled(row["multiply_adds_papers_stride"]))
        for row in found
    ]
    published = [_scaled(row["published_multiply_adds"], 1) for row in found]
    return text("models.stride", counted=_listed(counted), published=_listed(published))


def _listed(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return text("models.and").join([text("list.enumeration").join(parts[:-1]), parts[-1]])


def blocks_table(rows: Sequence[Row]) -> Group:
    """Return the table of `gradflow.models.block_timing.block_rows`."""
    first = rows[0]
    has_interval = not math.isnan(first["forward_ms_low"])
    columns = ("block", "parameters", "multiply_adds", "forward", "backward")
    cells = [
        (
            text("models.blocks.block", block=word(row["block"]), before=row["in_channels"], after=row["out_channels"]),
            _grouped(row["parameters"]),
            _scaled(row["multiply_adds"]),
            _time(row, "forward_ms"),
            _time(row, "backward_ms"),
        )
        for row in rows
    ]
    caption = text(
        "models.blocks.caption" if has_interval else "models.blocks.caption_alone",
        n=first["n"],
        threads=count(first["threads"], "threads"),
    )
    return table(
        text("models.blocks.title", size=first["size"], batch=first["batch"]),
        [head(column, "models.blocks.head") for column in columns],
        cells,
        caption=caption + _note(rows),
    )


def _note(rows: Sequence[Row]) -> str:
    """Return what the bottleneck saves at equal width, and why the other pair shows nothing."""
    by_widths = {(row["block"], row["in_channels"], row["out_channels"]): row for row in rows}
    basic, bottleneck = by_widths["basic", *EQUAL], by_widths["bottleneck", *EQUAL]
    small, other = by_widths["basic", *UNEQUAL[0]], by_widths["bottleneck", *UNEQUAL[1]]
    return text(
        "models.blocks.equal",
        width=EQUAL[0],
        parameters=number(basic["parameters"] / bottleneck["parameters"]),
        multiply_adds=number(basic["multiply_adds"] / bottleneck["multiply_adds"]),
        time=_time(basic, "time_ratio"),
    ) + text(
        "models.blocks.unequal",
        basic=_grouped(small["parameters"]),
        bottleneck=_grouped(other["parameters"]),
        basic_adds=_scaled(small["multiply_adds"]),
        bottleneck_adds=_scaled(other["multiply_adds"]),
    )


def _time(row: Row, name: str) -> str:
    """Return a median with its interval, if it has one."""
    median, low, high = (number(row[f"{name}{bound}"]) for bound in ("", "_low", "_high"))
    has_interval = not math.isnan(row[f"{name}_low"])
    return text("models.blocks.time", median=median, low=low, high=high) if has_interval else median


def _grouped(n: int) -> str:
    return f"{n:,}"


def _scaled(n: float, decimals: int | None = None) -> str:
    """Return a number of multiply-adds with three digits, in millions or billions."""
    scale, unit = (GIGA, "G") if n >= GIGA else (MEGA, "M")
    value = n / scale
    places = (2 if value < 10 else 1 if value < 100 else 0) if decimals is None else decimals
    return f"{value:.{places}f} {unit}"
