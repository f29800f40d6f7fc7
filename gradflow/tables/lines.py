"""Tables as lines of text, at a width in columns: heads fold before the gaps narrow, and numbers are never cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from gradflow.tables.value import Table
from gradflow.text.controls import printable
from gradflow.text.widths import columns, padded, shortened, wrapped
from gradflow.text.words import head

WIDTH = 80
GAP = 2  # between columns, one where they do not fit otherwise
MIN_WORDS = 8  # columns of a column of words that is cut to fit

Written = Callable[[object], str]


class Line(NamedTuple):
    """One line and how a terminal shows it."""

    text: str
    style: str = ""


def as_text(tables: Iterable[Table]) -> str:
    """Return tables as text, 80 columns wide, an empty line between two."""
    return "\n\n".join("\n".join(line.text for line in lines(table)) for table in tables)


def lines(table: Table, width: int = WIDTH, *, cuts: bool = False, written: Written = printable) -> list[Line]:
    """Return a table as lines of so many columns; one that cannot be as narrow is wider.

    With `cuts` words and heads are cut in the middle where a table does not fit otherwise. `written` makes text of
    names, which may come from a stranger, and of signs that a stream cannot encode.
    """
    cells = [[written(cell.main) for cell in row] for row in table.cells]
    body = _ruled(table, cells, width, cuts=cuts, written=written) if table.columns else _listed(cells, width)
    above = wrapped(written(table.title), width)
    below = wrapped(written(table.caption), width)
    return [*(Line(one, "italic") for one in above), *map(Line, body), *(Line(one, "dim") for one in below)]


def _listed(cells: list[list[str]], width: int) -> list[str]:
    """Return rows without heads, the last cell wrapped beside the others."""
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)][:-1]
    found = []
    for *leading, last in cells:
        lead = "".join(padded(cell, taken) + " " * GAP for cell, taken in zip(leading, widths, strict=True))
        indent = " " * (columns(lead) or GAP)
        found += wrapped(last, width, first=lead, indent=indent) or [lead.rstrip()]
    return found


def _ruled(table: Table, cells: list[list[str]], width: int, *, cuts: bool, written: Written) -> list[str]:
    """Return heads, a rule and rows."""
    heads = [written(column.head or head(column.key, table.head_words)) for column in table.columns]
    whole = [max(map(columns, one)) for one in zip(heads, *cells, strict=True)]
    narrow = [max(map(columns, one)) for one in zip(map(_longest, heads), *cells, strict=True)]
    gaps = len(heads) - 1
    gap = GAP if sum(narrow) + GAP * gaps <= width else 1
    widths = whole if sum(whole) + gap * gaps <= width else narrow
    if cuts:
        least = [max(map(columns, one), default=0) for one in zip(*cells, strict=True)] or [0] * len(heads)
        for place, column in enumerate(table.columns):
            least[place] = least[place] if column.is_number else min(MIN_WORDS, widths[place])
        _narrow(widths, least, width - gap * gaps)
    folded = [wrapped(one, taken) for one, taken in zip(heads, widths, strict=True)]
    above = max(map(len, folded))
    rows = [[one[place - above] if above - place <= len(one) else "" for one in folded] for place in range(above)]
    rule = written("─") * (sum(widths) + gap * gaps)
    right = [column.is_number for column in table.columns]
    shown = [_row(row, widths, right, gap) for row in [*rows, *cells]]
    return [*shown[:above], rule, *shown[above:]]


def _row(cells: Sequence[str], widths: list[int], right: list[bool], gap: int) -> str:
    """Return one line of cells, each as wide as its column."""
    filled = (
        padded(shortened(cell, width) if columns(cell) > width else cell, width, right=is_right)
        for cell, width, is_right in zip(cells, widths, right, strict=True)
    )
    return (" " * gap).join(filled).rstrip()


def _longest(words: str) -> str:
    return max(words.split(), key=columns, default="")


def _narrow(widths: list[int], least: list[int], width: int) -> None:
    """Narrow columns, in place, those with most to spare first, until all fit or none can be narrower."""
    while sum(widths) > width:
        spare = [taken - needed for taken, needed in zip(widths, least, strict=True)]
        if max(spare) <= 0:
            return
        widths[spare.index(max(spare))] -= 1
