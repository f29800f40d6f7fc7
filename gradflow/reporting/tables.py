"""Tables of a report: as files for programs, and as cells for readers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from gradflow.text import text


class Cell(NamedTuple):
    """One cell: the value, and beneath it what it is known to (an interval) or why it is missing."""

    main: str
    sub: str = ""


class Table(NamedTuple):
    """One table of the page."""

    name: str
    caption: str
    columns: tuple[str, ...]  # keys of the catalogue: column.<name>
    rows: list[list[Cell]]
    file: str = ""
    kind: str = "table"


# Columns whose cells are words; all others are numbers and stand flush right.
WORDS = frozenset({"network", "setting", "layer", "layer_kind", "status", "run", "verdict", "closed_form"})


def write(frames: Iterable[tuple[str, pd.DataFrame]], folder: Path) -> None:
    """Write each frame that has rows as `<name>.csv` and `<name>.parquet`."""
    for name, frame in frames:
        if len(frame):
            frame.to_csv(folder / f"{name}.csv", index=False)
            frame.to_parquet(folder / f"{name}.parquet", index=False)


def bounded(mean: float, low: float, high: float, n: int, form: Callable[[float], str]) -> Cell:
    """Return a mean with its interval beneath; one seed and no measurement are said in words."""
    if n == 0 or math.isnan(mean):
        return Cell("–", text("value.missing"))
    if n == 1:
        return Cell(form(mean), text("cell.one_seed"))
    if low == high:
        return Cell(form(mean), text("cell.same", n=n))
    return Cell(form(mean), text("cell.interval", low=form(low), high=form(high)))


def network_name(row: Any) -> str:
    """Return "plain-56", or the run's name where there is no depth."""
    return str(row["family"]) if pd.isna(row["depth"]) else f"{row['family']}-{row['depth']}"
