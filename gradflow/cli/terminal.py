"""Tables on a terminal, as wide as it is; in a pipe they are text of 80 columns, or of COLUMNS."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gradflow.cli.output import emit, encodable, print_data, say
from gradflow.tables import Table
from gradflow.tables.lines import WIDTH, Line, lines
from gradflow.text.controls import printable
from gradflow.text.widths import wrapped

if TYPE_CHECKING:
    from rich.console import Group


def print_table(table: Table, form: str | None) -> None:
    """Print a table, or its rows as data."""
    if form is None:
        show(table)
    else:
        print_data(form, table.rows)


def show(*tables: Table) -> None:
    """Print tables to standard output, an empty line between two."""
    if sys.stdout.isatty():
        from rich.console import Console  # takes longer to import than a table to print

        Console(highlight=False).print(styled(tables))
    else:
        emit("\n".join(line.text for line in laid_out(tables)))


def say_tables(tables: Iterable[Table], form: str | None = None) -> None:
    """Print tables beside the data, with an empty line before and after: see `gradflow.cli.output.say`."""
    found = laid_out(tables)
    for line in [Line(""), *found, Line("")] if found else []:
        say(line.text, form)


def say_wrapped(sentence: str, form: str | None = None) -> None:
    """Print a sentence beside the data, in lines as wide as the terminal."""
    for line in wrapped(printable(sentence), width()):
        say(line, form)


def laid_out(tables: Iterable[Table]) -> list[Line]:
    """Return the lines of tables in what standard output can encode, no wider than it is where that is known."""
    found: list[Line] = []
    cuts = sys.stdout.isatty() or "COLUMNS" in os.environ
    for table in tables:
        found += [Line("")] if found else []
        found += lines(table, width(), cuts=cuts, written=lambda content: encodable(printable(content)))
    return found


def styled(tables: Iterable[Table]) -> Group:
    """Return what rich shows of tables."""
    from rich.console import Group
    from rich.text import Text

    return Group(*(Text(line.text, line.style) for line in laid_out(tables)))


def width() -> int:
    """Return how wide output may be: COLUMNS, or as the terminal, or 80 columns in a pipe."""
    return shutil.get_terminal_size((WIDTH, 24)).columns
