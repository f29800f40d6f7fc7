"""Tables in the terminal: as wide as it is, or 80 columns in a pipe."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.box import SIMPLE_HEAD, Box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from gradflow.cli.output import emit, encodable, encodes
from gradflow.text.controls import printable
from gradflow.text.widths import wrapped

GAP = 2  # between columns, one where they would not fit otherwise
WIDEST = 1000
WIDTH = 80  # columns of a table in a pipe, where there is no terminal to measure


def table(
    title: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    words: Collection[int] = (0,),
    caption: str = "",
) -> Group:
    """Return title, table and caption for `show`: columns of words, by number, flush left, all others flush right.

    Without heads the rows are a list of facts. Names in cells may be anything: none is read as markup.
    """
    cells = [[cell(one) for one in row] for row in rows]
    shown = [cell(head) for head in heads]
    folded = [
        max(cell_len(one) for one in (*shown[number].split(), *(row[number] for row in cells), ""))
        for number in range(len(shown))
    ]
    gap = GAP if sum(folded) + GAP * (len(shown) - 1) <= WIDTH else 1
    fits = sum(max(width, cell_len(head)) + gap for width, head in zip(folded, shown, strict=True)) - gap <= WIDTH
    made = Table(
        box=_ruled_head() if heads else None,
        padding=(0, gap - 1),  # the box has a column of its own between two
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
        show_header=bool(heads),
    )
    for number, head in enumerate(shown):
        made.add_column(
            Text(head),
            justify="left" if number in words else "right",
            width=None if fits else folded[number],  # heads are folded, numbers not
            no_wrap=number in words,
        )
    for row in cells:
        made.add_row(*map(Text, row[:-1]), Text(row[-1]) if heads else _Lines(row[-1]))
    above = Text(cell(title), "italic")
    return Group(*([above] if title else []), made, *([_Lines(cell(caption), "dim")] if caption else []))


class _Lines(NamedTuple):
    """Sentences under a table or in a list, in lines that break where their language breaks them."""

    text: str
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the lines at the width there is."""
        yield Text("\n".join(wrapped(self.text, options.max_width)), self.style)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Return that any width will do."""
        return Measurement(1, options.max_width)


def cell(content: object) -> str:
    """Return text as a cell of a table: without control characters, in what standard output can encode."""
    return encodable(printable(content))


def _ruled_head() -> Box:
    """Return the lines of a table: one under its heads."""
    return SIMPLE_HEAD if encodes(str(SIMPLE_HEAD)) else Box(str(SIMPLE_HEAD).replace("─", "-"), ascii=True)


def show(made: Group) -> None:
    """Print a table to standard output, as wide as the terminal, or 80 columns (or COLUMNS) in a pipe."""
    console = Console(highlight=False)
    if not console.is_terminal:
        needed = Console(width=WIDEST).measure(made).minimum
        console = Console(highlight=False, width=max(_piped_width(), needed))
    with console.capture() as captured:
        console.print(made)
    emit("\n".join(line.rstrip() for line in captured.get().removesuffix("\n").split("\n")))


def width() -> int:
    """Return how wide output may be: as the terminal, or COLUMNS or 80 columns in a pipe."""
    console = Console()
    return console.width if console.is_terminal else _piped_width()


def _piped_width() -> int:
    asked = os.environ.get("COLUMNS", "")
    return int(asked) if asked.isdecimal() and int(asked) else WIDTH
