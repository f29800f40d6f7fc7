"""A table is a value: columns that know how they write a row. Writers make text, HTML, CSV and JSON of it."""

from gradflow.tables.value import DASH, Cell, Column, Table, bounded, column, interval, ranged, words

__all__ = ["DASH", "Cell", "Column", "Table", "bounded", "column", "interval", "ranged", "words"]
