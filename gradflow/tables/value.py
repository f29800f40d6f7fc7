"""The value: a title, columns, rows of data, and a caption. A column says how it writes a row, and with what bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from gradflow.text import text
from gradflow.text.numbers import LARGER, SMALLER

COURSE_HEIGHT = 16  # of a line in a cell
DASH = "–"  # in place of a number that there is not


class Cell(NamedTuple):
    """One cell: the value, beneath it what it is known to (an interval) or why it is missing; a number to sort by.

    A page draws `course` as a line: heights between 0 and `COURSE_HEIGHT`, None for a gap.
    """

    main: str
    sub: str = ""
    key: str = ""
    course: Sequence[int | None] = ()


class Column(NamedTuple):
    """One column: the key of its head, its cell of a row, and whether it holds numbers, which stand flush right.

    `head` is what is read above it where no key of the catalogue says that.
    """

    key: str
    cell: Callable[[Any], Cell | str]
    is_number: bool = True
    head: str = ""


@dataclass(frozen=True, eq=False)
class Table:
    """One table, between title and caption. Without columns it is a list of facts or sentences: each row its texts.

    Rows are mappings, as `frame.to_dict("records")` has them, or whatever the columns read; CSV and JSON hold these.
    `head_words` is the table of the catalogue with its heads, `<head_words>.<key>`. Of a page are `name`, its anchor,
    `file`, which holds all of it, and `is_long`: it can be searched and sorted.
    """

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Any]
    caption: str = ""
    head_words: str = "column"
    name: str = ""
    file: str = ""
    is_long: bool = False

    @cached_property
    def cells(self) -> list[list[Cell]]:
        """Every cell, row by row."""
        if not self.columns:
            return [[_cell(one) for one in row] for row in self.rows]
        return [[_cell(column.cell(row)) for column in self.columns] for row in self.rows]


def column(key: str, form: Callable[[Any], str] = str, *, of: str = "", head: str = "") -> Column:
    """Return a column of numbers: `form` writes the row's value of the name `of`, by default the key."""
    return Column(key, lambda row: _known(row[of or key], form), head=head)


def words(key: str, form: Callable[[Any], str] = str, *, of: str = "", head: str = "") -> Column:
    """Return a column of words."""
    return column(key, form, of=of, head=head)._replace(is_number=False)


def interval(
    key: str, form: Callable[[float], str], *, of: str = "", bounds: str = "{}_{}", n: str = "n", head: str = ""
) -> Column:
    """Return a column of means with their 95 % intervals beneath, both written by `form`.

    `of` names the mean in a row, by default the key; `bounds` the bounds: "{}_{}" of the mean's name and "low" or
    "high", or "{1}" where they are these alone; `n` the number of values.
    """
    mean = of or key
    low, high = (bounds.format(mean, end) for end in ("low", "high"))
    return Column(key, lambda row: bounded(row[mean], row[low], row[high], int(row[n]), form), head=head)


def bounded(mean: float, low: float, high: float, n: int, form: Callable[[float], str]) -> Cell:
    """Return a mean with its interval beneath; one seed and no measurement are said in words."""
    if n == 0 or math.isnan(mean):
        return Cell(DASH, text("value.missing"))
    if n == 1:
        return Cell(form(mean), text("cell.one_seed"))
    if low == high:
        return Cell(form(mean), text("cell.same", n=n))
    return Cell(form(mean), ranged(low, high, form))


def ranged(low: float, high: float, form: Callable[[float], str]) -> str:
    """Return an interval's bounds in words; a sign × or ÷ that both have is written once."""
    first, last = form(low), form(high)
    shared = next((sign for sign in (LARGER, SMALLER) if first.startswith(sign)), "")
    return text("list.range", low=first, high=last.removeprefix(shared))


def _known(value: Any, form: Callable[[Any], str]) -> str:
    """Return a value in words, a dash for NaN, <NA> and None."""
    is_missing = value is None or type(value).__name__ == "NAType" or value != value
    return DASH if is_missing else form(value)


def _cell(content: Cell | str) -> Cell:
    return content if isinstance(content, Cell) else Cell(content)
