"""Tables of a report: as files for programs, and as cells for readers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from gradflow.analysis import variants
from gradflow.storage import write_whole
from gradflow.text import text
from gradflow.text.controls import spreadsheet_text
from gradflow.text.words import heading, named


class Cell(NamedTuple):
    """One cell: the value, beneath it what it is known to (an interval) or why it is missing; a number to sort by."""

    main: str
    sub: str = ""
    key: str = ""


class Column(NamedTuple):
    """One column: its head, and whether it holds numbers, which stand flush right."""

    head: str
    is_number: bool = True


class Table(NamedTuple):
    """One table of the page; a long one can be searched and sorted."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: list[list[Cell]]
    file: str = ""
    is_long: bool = False
    kind: str = "table"


# Tables too long to be read: a million rows take ten seconds as text.
PROGRAMS_ONLY = frozenset({"layers", "times"})

# Columns whose cells are words.
WORDS = frozenset(
    {
        "network",
        "layer",
        "setting",
        "depth",
        "example",
        "kind",
        "status",
        "verdict",
        "closed_form",
        "layers_passed",
        "sequence",
    }
    | {"join", "norm", "published_measure", "published_law", "source"}
)


def table(name: str, caption: str, columns: Sequence[str], rows: list[list[Cell]], file: str = "") -> Table:
    """Return a table; what stands beneath every cell alike is said once, in the caption.

    Parameters
    ----------
    name, caption, file : str
        Anchor, text above, and the file that holds all of it.
    columns : sequence of str
        Keys of the catalogue, `column.<key>`.
    rows : list of lists of Cell
        One list a row.
    """
    notes = {cell.sub for row in rows for cell in row if cell.sub}
    if notes == {text("cell.one_seed")}:
        caption = text("table.one_seed", caption=caption)
        rows = [[Cell(cell.main) for cell in row] for row in rows]
    heads = tuple(Column(heading(key, "column"), key not in WORDS) for key in columns)
    return Table(name, caption, heads, rows, file)


def write(frames: Iterable[tuple[str, pd.DataFrame]], folder: Path) -> list[str]:
    """Write each frame that has rows as `<name>.csv` and `<name>.parquet`, those of `PROGRAMS_ONLY` as the latter.

    Returns the names of the files.
    """
    written = []
    for name, frame in frames:
        if len(frame):
            if name not in PROGRAMS_ONLY:
                write_whole(folder / f"{name}.csv", _for_spreadsheets(frame).to_csv(index=False).encode())
                written.append(f"{name}.csv")
            write_whole(folder / f"{name}.parquet", frame.to_parquet(index=False))
            written.append(f"{name}.parquet")
    return written


def _for_spreadsheets(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with no text that a spreadsheet would take for a formula; numbers pass untouched and unseen."""
    words = frame.select_dtypes(exclude=["number", "bool"])
    safe = {name: words[name].map(spreadsheet_text) for name in words.columns}
    return frame.assign(**safe).rename(columns=spreadsheet_text)


def bounded(mean: float, low: float, high: float, n: int, form: Callable[[float], str]) -> Cell:
    """Return a mean with its interval beneath; one seed and no measurement are said in words."""
    if n == 0 or math.isnan(mean):
        return Cell("–", text("value.missing"))
    if n == 1:
        return Cell(form(mean), text("cell.one_seed"))
    if low == high:
        return Cell(form(mean), text("cell.same", n=n))
    return Cell(form(mean), text("list.range", low=form(low), high=form(high)))


def network_name(row: Any) -> str:
    """Return "plain-56" in the current language, or the run's name where there is no depth."""
    family, depth = str(row["family"]), row["depth"]
    return named(family if pd.isna(depth) else variants.network_name(family, depth))
