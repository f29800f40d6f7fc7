"""Which runs there are, and what became of them, as tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pandas as pd

from gradflow.analysis.listing import listing
from gradflow.cli import output
from gradflow.cli.rich_tables import show, table, width
from gradflow.text import text
from gradflow.text.numbers import count
from gradflow.text.words import head, named

NARROW = ("run", "status", "train_error", "test_error", "steps", "wall_seconds", "started")
WIDE = ("run", "status", "family", "depth", "seed", "train_error", "test_error", "steps", "wall_seconds", "started")
WIDE_FROM = 120  # columns of the terminal
WORDS = ("run", "status", "family")
RUN_LENGTH = 27
FAMILY_LENGTH = 20
EXPLAINED = ("damaged", "failed")
STATUSES = (
    "done",
    "diverged",
    "recorded",
    "running",
    "stopped",
    "waiting",
    "failed",
    "half-written",
    "damaged",
    "set aside",
)


def print_runs(paths: Sequence[Path], form: str | None) -> None:
    """Print the runs of each folder as a table, or all of them as data."""
    frame = listing(paths)
    if form is not None:
        output.print_rows(form, output.records(frame))
        return
    room = width()
    for folder, own in frame.groupby("folder", sort=False):
        _show(str(folder), own, WIDE if room >= WIDE_FROM else NARROW)


def _show(folder: str, frame: pd.DataFrame, columns: tuple[str, ...]) -> None:
    """Print one folder's runs, and below them why some failed or are damaged."""
    counted = frame["status"].value_counts().items()
    statuses = text("list.enumeration").join(text("runs.counted", n=n, status=_status(str(one))) for one, n in counted)
    rows = [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
    caption = "" if columns == WIDE else text("terminal.runs.caption", width=WIDE_FROM)
    made = table(
        text("terminal.runs.title", folder=folder, runs=count(len(frame), "runs"), statuses=statuses),
        [head(column, "terminal.runs.column") for column in columns],
        [[_CELLS[column](row) for column in columns] for row in rows],
        words=[number for number, column in enumerate(columns) if column in WORDS],
        caption=caption,
    )
    show(made)
    for row in rows:
        if row["reason"] and row["status"] in EXPLAINED:
            output.say(f"{_status(row['status']):<8} {row['run']}: {row['reason']}")
    click.echo()


def _status(status: str) -> str:
    """Return a status in words; a run's own word as it is."""
    return text(f"terminal.status.{status}") if status in STATUSES else output.shortened(status, 12)


def _percent(fraction: float) -> str:
    return "–" if math.isnan(fraction) else f"{100 * fraction:.1f}"


def _steps(row: dict[str, Any]) -> str:
    """Return the steps made, and of how many where they are not all made."""
    made, planned = row["step"], row["steps"]
    if pd.isna(made):
        return "–"
    return f"{made}" if pd.isna(planned) or made == planned else f"{made}/{planned}"


def _duration(seconds: float) -> str:
    """Return a time in the largest unit that leaves two digits or more."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return "–" if math.isnan(seconds) else f"{seconds:.1f} s"


def _when(started: Any) -> str:
    """Return month, day and minute, in UTC; what is no time as it is written."""
    if not isinstance(started, str):
        return "–"
    try:
        return datetime.fromisoformat(started).astimezone(UTC).strftime("%m-%d %H:%M")
    except (ValueError, OverflowError):
        return output.shortened(started, 11)


def _family(value: Any) -> str:
    return named(_whole(value))


def _whole(value: Any) -> str:
    return "–" if pd.isna(value) else str(value)


_CELLS: dict[str, Callable[[dict[str, Any]], str]] = {
    "run": lambda row: output.shortened(row["run"], RUN_LENGTH),
    "status": lambda row: _status(row["status"]),
    "family": lambda row: output.shortened(_family(row["family"]), FAMILY_LENGTH),
    "depth": lambda row: _whole(row["depth"]),
    "seed": lambda row: _whole(row["seed"]),
    "train_error": lambda row: _percent(row["train_error"]),
    "test_error": lambda row: _percent(row["test_error"]),
    "steps": _steps,
    "wall_seconds": lambda row: _duration(row["wall_seconds"]),
    "started": lambda row: _when(row["started"]),
}
