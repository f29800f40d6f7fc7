"""A section of the report as data: what it needs of the recordings, its words, its figures and tables, its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from gradflow.figures.model import Figure
from gradflow.plots.paper import page
from gradflow.reporting.live.figure import Live
from gradflow.reporting.page_blocks import Block
from gradflow.reporting.page_figures import Picture, draw, draw_both
from gradflow.reporting.page_tables import page_table
from gradflow.reporting.report_data import ReportData
from gradflow.tables import Column, Table
from gradflow.text import text

# The key of a sentence, or a function that says it; a section leaves out what says nothing.
Said = str | Callable[[ReportData, Any], str | list[str]]
# Shows a part of a section: none, one or several blocks.
Part = Callable[[ReportData, Any], Block | list[Block] | None]


class Shown(NamedTuple):
    """One section as a page shows it; `anchor` is where a reader who looks for its evidence should land.

    One that `is_folded` shows its title and its first words until it is opened.
    """

    key: str
    title: str
    paragraphs: list[str]
    blocks: list[Block]
    anchor: str
    is_folded: bool


@dataclass(frozen=True)
class Section:
    """One section, in a module `<name>_section.py` of its own, where it is found; its title is the text `<key>.title`.

    Sections are read in the order of their places. `about` returns what it needs of the data, for `words` (its
    paragraphs) and `parts` (its figures, tables and whatever else, in this order); with None, False or an empty frame
    there is no section. `files` are the frames that are written for programs, by name, whether or not there is a
    section. One that `is_detail` is folded, unless a problem rests on it.
    """

    key: str
    place: int
    about: Callable[[ReportData], Any]
    words: tuple[Said, ...] = ()
    parts: tuple[Part, ...] = ()
    files: Callable[[ReportData], Mapping[str, pd.DataFrame]] = lambda _: {}
    is_detail: bool = False

    def shown(self, data: ReportData) -> Shown | None:
        """Return the section, its figures drawn, or None where the recordings lack what it needs."""
        about = self.about(data)
        if about is None or about is False or (isinstance(about, pd.DataFrame) and about.empty):
            return None
        paragraphs = [one for said in self.words for one in _listed(_sentence(said, data, about)) if one]
        blocks = [block for part in self.parts for block in _listed(part(data, about))]
        pictures = [block.name for block in blocks if isinstance(block, Picture)]
        anchor = f"figure-{pictures[0]}" if pictures else self.key
        is_folded = self.is_detail and not any(
            finding.figure == self.key and finding.severity == "problem" for finding in data.findings
        )
        return Shown(self.key, text(f"{self.key}.title"), paragraphs, blocks, anchor, is_folded)


@dataclass(frozen=True)
class Drawing:
    """A figure of a section: what makes its description, and what those who cannot see it are told.

    `alt` may be a key whose sentence takes the first finding of the section, `<section>.alt...`. What a `screen` shows
    is by default the same description; it may hold more, to choose from.
    """

    name: str
    figure: Callable[[ReportData, Any], Callable[[], Figure]]
    alt: str | Callable[[ReportData, Any], str]
    screen: Callable[[ReportData, Any], Live | None] | None = None

    def __call__(self, data: ReportData, about: Any) -> Picture:
        """Return the figure drawn."""
        if isinstance(self.alt, str):
            alt = text(self.alt, finding=data.finding_for(self.alt.partition(".")[0])).strip()
        else:
            alt = self.alt(data, about)
        described = self.figure(data, about)
        if self.screen is None:
            return draw_both(self.name, described, data.folder, alt=alt)
        return draw(self.name, partial(page, described), data.folder, alt=alt, live=self.screen(data, about))


@dataclass(frozen=True)
class Tabled:
    """A table of what a section is about."""

    name: str
    columns: Sequence[Column]
    file: str = ""

    def __call__(self, data: ReportData, about: Any) -> Table:
        """Return the table."""
        return page_table(self.name, self.columns, about, self.file)


def _sentence(said: Said, data: ReportData, about: Any) -> str | list[str]:
    return text(said) if isinstance(said, str) else said(data, about)


def _listed(made: Any) -> list[Any]:
    """Return what may be none, one or a list of them as a list."""
    if made is None:
        return []
    return made if isinstance(made, list) else [made]
