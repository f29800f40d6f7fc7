"""The networks there are and what they cost, and what a bottleneck saves, as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gradflow.cli.busy import busy
from gradflow.cli.output import print_data
from gradflow.cli.terminal import show
from gradflow.models.block_timing import block_rows
from gradflow.models.family_table import family_rows
from gradflow.tables import Column, Table, column, words
from gradflow.text import text
from gradflow.text.numbers import count, number
from gradflow.text.words import named, word

GIGA, MEGA = 1e9, 1e6
GROUPED = "{:,}".format
EQUAL = (256, 256)  # widths in and out at which the blocks compare
UNEQUAL = ((64, 64), (64, 256))  # and at which they do not, the basic block's and the bottleneck's

Row = Mapping[str, Any]


def print_models(*, blocks: bool, repeats: int, form: str | None) -> None:
    """Print the networks, or with `blocks` the blocks, timed here."""
    with busy("timing" if blocks else "counting"):
        rows = block_rows(repeats=repeats) if blocks else family_rows()
    if form is not None:
        print_data(form, rows)
    else:
        show(blocks_table(rows) if blocks else networks_table(rows))


def networks_table(rows: Sequence[Row]) -> Table:
    """Return the table of `gradflow.models.family_table.family_rows`."""
    columns = (
        Column("network", lambda row: f"{row['model']}-{row['depth']}", is_number=False),
        words("family", named),
        words("block", word),
        column("layers", of="weighted_layers"),
        column("parameters", GROUPED),
        column("multiply_adds", _scaled),
        Column("published", lambda row: _published(row["published_multiply_adds"])),
    )
    caption = text("models.caption") + _tasks(rows) + _stride(rows)
    return Table(text("models.title"), columns, rows, caption, "models.head")


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


def blocks_table(rows: Sequence[Row]) -> Table:
    """Return the table of `gradflow.models.block_timing.block_rows`."""
    first = rows[0]
    columns = (
        Column("block", _block, is_number=False),
        column("parameters", GROUPED),
        column("multiply_adds", _scaled),
        Column("forward", lambda row: _time(row, "forward_ms")),
        Column("backward", lambda row: _time(row, "backward_ms")),
    )
    key = "models.blocks.caption_alone" if math.isnan(first["forward_ms_low"]) else "models.blocks.caption"
    caption = text(key, n=first["n"], threads=count(first["threads"], "threads")) + _note(rows)
    title = text("models.blocks.title", size=first["size"], batch=first["batch"])
    return Table(title, columns, rows, caption, "models.blocks.head")


def _block(row: Row) -> str:
    return text("models.blocks.block", block=word(row["block"]), before=row["in_channels"], after=row["out_channels"])


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
        basic=GROUPED(small["parameters"]),
        bottleneck=GROUPED(other["parameters"]),
        basic_adds=_scaled(small["multiply_adds"]),
        bottleneck_adds=_scaled(other["multiply_adds"]),
    )


def _time(row: Row, name: str) -> str:
    """Return a median with its interval, if it has one."""
    median, low, high = (number(row[f"{name}{bound}"]) for bound in ("", "_low", "_high"))
    has_interval = not math.isnan(row[f"{name}_low"])
    return text("models.blocks.time", median=median, low=low, high=high) if has_interval else median


def _published(n: float | None) -> str:
    return "" if n is None else _scaled(n, 1)


def _scaled(n: float, decimals: int | None = None) -> str:
    """Return a number of multiply-adds with three digits, in millions or billions."""
    scale, unit = (GIGA, "G") if n >= GIGA else (MEGA, "M")
    value = n / scale
    places = (2 if value < 10 else 1 if value < 100 else 0) if decimals is None else decimals
    return f"{value:.{places}f} {unit}"
