"""Which runs there are, and what became of them, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pandas as pd

from gradflow.analysis.listing import listing
from gradflow.cli import output
from gradflow.cli.terminal import show, width
from gradflow.tables import DASH, Column, Table, column, words
from gradflow.text import text
from gradflow.text.numbers import count
from gradflow.text.widths import shortened
from gradflow.text.words import named

WIDE = ("family", "depth", "seed")  # columns of a wide table alone
WIDE_FROM = 120  # columns of the terminal
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
        output.print_data(form, frame.to_dict("records"))
        return
    for folder, own in frame.groupby("folder", sort=False):
        _show(str(folder), own)


def _show(folder: str, frame: pd.DataFrame) -> None:
    """Print one folder's runs, and below them why some failed or are damaged."""
    counted = frame["status"].value_counts().items()
    statuses = text("list.enumeration").join(text("runs.counted", n=n, status=_status(str(one))) for one, n in counted)
    rows = frame.to_dict("records")
    is_wide = width() >= WIDE_FROM
    show(
        Table(
            text("terminal.runs.title", folder=folder, runs=count(len(frame), "runs"), statuses=statuses),
            tuple(one for one in _COLUMNS if is_wide or one.key not in WIDE),
            rows,
            "" if is_wide else text("terminal.runs.caption", width=WIDE_FROM),
            "terminal.runs.column",
        )
    )
    for row in rows:
        if row["reason"] and row["status"] in EXPLAINED:
            output.say(f"{_status(row['status']):<8} {row['run']}: {row['reason']}")
    click.echo()


def _status(status: str) -> str:
    """Return a status in words; a run's own word as it is."""
    return text(f"terminal.status.{status}") if status in STATUSES else shortened(status, 12)


def _steps(row: dict[str, Any]) -> str:
    """Return the steps made, and of how many where they are not all made."""
    made, planned = row["step"], row["steps"]
    if pd.isna(made):
        return DASH
    return f"{made}" if pd.isna(planned) or made == planned else f"{made}/{planned}"


def _duration(seconds: float) -> str:
    """Return a time in the largest unit that leaves two digits or more."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def _when(started: Any) -> str:
    """Return month, day and minute, in UTC; what is no time as it is written."""
    if not isinstance(started, str):
        return DASH
    try:
        return datetime.fromisoformat(started).astimezone(UTC).strftime("%m-%d %H:%M")
    except (ValueError, OverflowError):
        return shortened(started, 11)


_COLUMNS = (
    words("run", lambda run: shortened(run, RUN_LENGTH)),
    words("status", _status),
    words("family", lambda family: shortened(named(str(family)), FAMILY_LENGTH)),
    column("depth"),
    column("seed"),
    column("train_error", lambda fraction: f"{100 * fraction:.1f}"),
    column("test_error", lambda fraction: f"{100 * fraction:.1f}"),
    Column("steps", _steps),
    column("wall_seconds", _duration),
    Column("started", lambda row: _when(row["started"])),
)
