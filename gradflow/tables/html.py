"""Tables as HTML: rows for a page, whose stylesheet aligns numbers, and whole tables for a notebook, without styles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape

from gradflow.recording import NO_MATHEMATICS
from gradflow.tables.value import COURSE_HEIGHT, Cell, Table
from gradflow.text.controls import printable
from gradflow.text.words import head, heading

Written = Callable[[str], str]
_PIXELS = 4  # from one point of a line to the next
_NUMBER = ' class="number"'
_LEFT = ' style="text-align:left"'  # a notebook's own style is right


def for_page(table: Table, written: Written) -> str:
    """Return heads and rows, the inside of a page's `<table>`; `written` makes text that a page may hold of any."""
    heads = [column.head or heading(column.key, table.head_words) for column in table.columns]
    return _inside(table, heads, [_NUMBER if column.is_number else "" for column in table.columns], written)


def for_notebook(tables: Iterable[Table]) -> str:
    """Return tables as a notebook shows them."""
    return "".join(f'<div class="{NO_MATHEMATICS}">{_notebook(table)}</div>' for table in tables)


def _notebook(table: Table) -> str:
    title, caption = (escape(printable(one)) for one in (table.title, table.caption))
    heads = [column.head or head(column.key, table.head_words) for column in table.columns]
    aligned = ["" if column.is_number else _LEFT for column in table.columns] or [_LEFT] * max(map(len, table.cells))
    rows = _inside(table, heads, aligned, lambda cell: escape(printable(cell)))
    return f"<p><strong>{title}</strong></p><table>{rows}</table>{caption and f'<p>{caption}</p>'}"


def _inside(table: Table, heads: Sequence[str], attributes: Sequence[str], written: Written) -> str:
    """Return the rows of a table; each column's cells have an attribute, or none."""
    above = "".join(
        f'<th scope="col"{attribute}>{written(one)}</th>' for one, attribute in zip(heads, attributes, strict=False)
    )
    below = "\n".join(f"<tr>{_row(row, attributes, written)}</tr>" for row in table.cells)
    return f"<thead><tr>{above}</tr></thead>\n<tbody>\n{below}\n</tbody>" if heads else f"<tbody>{below}</tbody>"


def _row(cells: Sequence[Cell], attributes: Sequence[str], written: Written) -> str:
    first, *others = (
        f"{attribute}{_key(cell)}>{_content(cell, written)}" for cell, attribute in zip(cells, attributes, strict=True)
    )
    return f'<th scope="row"{first}</th>' + "".join(f"<td{other}</td>" for other in others)


def _key(cell: Cell) -> str:
    return f' data-key="{escape(cell.key)}"' if cell.key else ""


def _content(cell: Cell, written: Written) -> str:
    sub = f"<small>{written(cell.sub)}</small>" if cell.sub else ""
    return (_line(cell.course) if cell.course else written(cell.main)) + sub


def _line(heights: Sequence[int | None]) -> str:
    """Return a small line from left to right, a gap where there is no height."""
    parts, is_drawn = [], False
    for place, height in enumerate(heights):
        if height is not None:
            parts.append(f"{'L' if is_drawn else 'M'}{_PIXELS * place + 1} {COURSE_HEIGHT + 1 - height}")
        is_drawn = height is not None
    return f'<svg class="course" aria-hidden="true"><path d="{"".join(parts)}"/></svg>'
