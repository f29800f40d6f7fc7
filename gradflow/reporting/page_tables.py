"""Tables of a report: as files for programs, and as values that a page shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from gradflow.analysis import variants
from gradflow.analysis.runs import NETWORK as KEYS
from gradflow.figures.names import run_name
from gradflow.storage import write_whole
from gradflow.tables import DASH, Cell, Column, Table
from gradflow.text import text
from gradflow.text.controls import spreadsheet_text
from gradflow.text.words import named

# Tables too long to be read: a million rows take ten seconds as text.
PROGRAMS_ONLY = frozenset({"layers", "times", "distributions"})
WRITERS = 4  # threads: one file at a time waits for the disk longer than its content takes to make


def page_table(
    name: str, columns: Sequence[Column], rows: pd.DataFrame | Sequence[Any], file: str = "", *, title: str = ""
) -> Table:
    """Return a table; what stands beneath every cell alike is said once, in the title.

    Its name is the key of its title in `table`, and with hyphens its anchor; heads of columns are in `column`. `file`
    holds all of it; `title` is the text above where it is another.
    """
    shown = rows.to_dict("records") if isinstance(rows, pd.DataFrame) else rows
    said = title or text("table." + name)
    found = Table(said, tuple(columns), shown, name=name.replace("_", "-"), file=file)
    if {cell.sub for row in found.cells for cell in row if cell.sub} != {text("cell.one_seed")}:
        return found
    bare = tuple(one._replace(cell=_without_sub(one.cell)) for one in columns)
    return replace(found, title=text("table.one_seed", caption=said), columns=bare)


def _without_sub(cell: Callable[[Any], Cell | str]) -> Callable[[Any], Cell | str]:
    return lambda row: Cell(main.main) if isinstance(main := cell(row), Cell) else main


def write(frames: Iterable[tuple[str, pd.DataFrame]], folder: Path) -> list[str]:
    """Write each frame that has rows as `<name>.csv` and `<name>.parquet`, those of `PROGRAMS_ONLY` as the latter.

    Returns the names of the files.
    """
    with ThreadPoolExecutor(WRITERS) as writers:
        writing = {
            file: writers.submit(write_whole, folder / file, content)
            for name, frame in frames
            if len(frame)
            for file, content in _files(name, frame)
        }
    for one in writing.values():
        one.result()  # or what was raised instead
    return list(writing)


def _files(name: str, frame: pd.DataFrame) -> Iterator[tuple[str, bytes]]:
    if name not in PROGRAMS_ONLY:
        yield f"{name}.csv", _for_spreadsheets(frame).to_csv(index=False).encode()
    yield f"{name}.parquet", frame.to_parquet(index=False)


def _for_spreadsheets(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with no text that a spreadsheet would take for a formula; numbers pass untouched and unseen."""
    words = frame.select_dtypes(exclude=["number", "bool"])
    safe = {name: words[name].map(spreadsheet_text) for name in words.columns}
    return frame.assign(**safe).rename(columns=spreadsheet_text)


def network_name(row: Any) -> str:
    """Return "plain-56" in the current language, or the run's name where there is no depth."""
    family, depth = str(row["family"]), row["depth"]
    return named(family if pd.isna(depth) else variants.network_name(family, depth))


NETWORK = Column("network", network_name, is_number=False)
RUN = Column("network", run_name, is_number=False)


def by_network(frame: pd.DataFrame, key: str) -> list[dict[Any, Any]]:
    """Return a row for each network, with its rows in `by`, by their values of `key`."""
    return [
        {**rows.iloc[0].to_dict(), "by": {row[key]: row for row in rows.to_dict("records")}}
        for _, rows in frame.groupby(list(KEYS), dropna=False)
    ]


def at(
    key: str, cell: Callable[[Any], Cell | str], value: Any = None, *, is_number: bool = True, head: str = ""
) -> Column:
    """Return a column of `by_network`: the cell of the row of one value, by default of the column's key."""
    value = key if value is None else value
    return Column(key, lambda network: cell(network["by"][value]) if value in network["by"] else DASH, is_number, head)
