"""A figure as a value: rows, two axes, marks in the order of drawing, and what splits the rows.

Two renderers read it, `gradflow.plots.paper` with matplotlib and `gradflow.reporting.live.screen` with Vega-Lite. A
facet is panels on paper and a choice on a screen. What both must agree on is here, which rows belong to a facet's
value, and in `axis_limits`: limits, and where zeros and values that are not finite are drawn.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from gradflow.figures.looks import Look, Network, by_network
from gradflow.figures.looks import looks as looks_of

Kind = Literal[
    "linear", "powers", "points", "fraction", "error", "log",
    "depth", "doubling", "whole", "steps", "places", "layers", "rows",
]  # fmt: skip
Shape = Literal["line", "dots", "interval", "seeds", "band", "level", "bar", "upright", "span", "range", "ring", "tick"]


@dataclass(frozen=True)
class Axis:
    """What is drawn along one direction: the column of the rows, and its title with its unit.

    `short` is the title where panels share the axis, by default the same; `name` what a pointer is told that the value
    is, by default "Value".

    Of a kind are linear, powers (base-ten logarithms, as powers of ten), points (of percent, with their sign), fraction
    (as percent), error (fractions from 0 on, with room over the largest), log, depth (of layers), doubling (depths of
    networks, by powers of two), whole (numbers), steps (of training: linear from 0 to 1 and logarithmic beyond), places
    (one for each of `names`, in their order), layers (places with long names) and rows (places from the top down;
    values are then drawn along the other axis).

    The limits hold the values `ends` and the columns `others`, or are `limits` where the rows do not decide. `ticks`
    say where ticks stand and what they say, if they do not follow from the kind; some are left out where they touch. On
    a vertical axis they name rows, and what is drawn there has places and no values.
    """

    column: str
    title: str
    kind: Kind = "linear"
    short: str = ""
    name: str = ""
    ends: tuple[float, ...] = ()
    others: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None
    names: tuple[str, ...] = ()
    ticks: Mapping[float, str] = field(default_factory=dict)

    @property
    def row_names(self) -> tuple[str, ...]:
        """What its rows are called, if it is a vertical axis that has such."""
        return tuple(self.ticks.values()) or self.names


@dataclass(frozen=True)
class Mark:
    """One layer of drawing.

    Shapes are line; dots; interval (a dot, and a bar from low to high); seeds (dots beside that); band (from low to
    high); bar; level (a line at `value`); upright (a line across that, at a place); span (the shade from `value` to
    `upto`). On rows: range (from low to high), dots, ring (hollow, joined to the dot) and tick.

    `column` is drawn, by default the axis's, of the rows that `of` names by the values of their columns; a level, an
    upright line or a span stands where there is such a row. `joins` is the column whose values have a line each, where
    that is not the network.

    A line `has_dots` at each value, of shapes by what the column `kind` holds (`markers`); `every` is its first value
    that has a larger dot, and the distance to the next. `look` is how all lines are drawn, where not as their networks
    (what is empty is the network's), and `looks` how each of these is drawn, and what the legend calls it: a key is
    never a name that a user chose. `label` is what the legend says of the mark, if anything. `width` of lines and bands
    and `size` of dots are in points, `opacity` is from 0 to 1; dots that are hollow are rings. `told` are further
    columns that a pointer is told of its dots, and what they are called.
    """

    shape: Shape
    has_dots: bool = False
    every: tuple[int, int] | None = None
    value: float = 0.0
    upto: float = 0.0
    markers: Mapping[str, str] = field(default_factory=dict)
    of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    column: str = ""
    look: Look | None = None
    label: str = ""
    width: float | None = None
    opacity: float | None = None
    joins: str = ""
    looks: Mapping[str, Look] = field(default_factory=dict)
    size: float | None = None
    is_hollow: bool = False
    told: Mapping[str, str] = field(default_factory=dict)

    def chosen(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that are drawn, none where nothing is known of them."""
        for column, values in self.of.items():
            rows = rows[rows[column].isin(values)]
        return rows if self.is_known(rows) else rows.iloc[:0]

    def is_known(self, rows: pd.DataFrame) -> bool:
        """Whether some of the rows hold what is drawn."""
        return not self.column or bool(rows[self.column].notna().any())


@dataclass(frozen=True)
class Guide:
    """A line that was not measured, to compare with: its points, behind what was."""

    look: Look
    x: tuple[float, ...]
    y: tuple[float, ...]
    width: float = 1.0


@dataclass(frozen=True)
class Facet:
    """A column whose values split the rows; `label` is what a reader is asked to choose, `names` what each is called.

    By value, where there are such: `titles` of panels that are not the value's name, `notes` of what is to be known of
    it, `files` for print that show the same, and the axes `x` and `y` where they are not the figure's.

    All panels have one vertical axis (`shares_y`), or a reader who chooses another value gets other limits
    (`rescales`). With `is_beside` the panels stand beside each other on a screen, too; those of rows always do. `tells`
    ("depth" or "family") is what a panel's title says of its networks, so that the legend need not.
    """

    column: str
    label: str
    names: Mapping[str, str]
    titles: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    x: Mapping[str, Axis] = field(default_factory=dict)
    y: Mapping[str, Axis] = field(default_factory=dict)
    shares_y: bool = True
    rescales: bool = True
    is_beside: bool = False
    tells: Literal["", "depth", "family"] = ""

    def title(self, value: str) -> str:
        """Return the title of a value's panel."""
        return self.titles.get(value, self.names[value])


@dataclass(frozen=True)
class Layout:
    """How the panels stand on paper: `height` in inches of a panel, and inches that differ from `panels.MARGINS`.

    `wide` and `narrow` are how many stand beside each other, on the two columns of a journal's page and on one.
    """

    height: float
    wide: int = 3
    narrow: int = 2
    margins: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """All that is to be known of a figure: of networks, a colour a depth and a line style a family, or of `looks`.

    `name` is that of its files, and of the element on a page; title and subtitle stand over the panels, the note under
    them, and `hint` is how to read it, where there is room: on a screen.

    `rows` hold family, depth, what axes and facets name, and where they are drawn low, high, n, and n_zero and
    n_nonfinite, the numbers of seeds whose value is zero or not finite. The last facet that has several values is
    panels on paper, where the others have one. `told` are further columns that a pointer is told, and what they are
    called.

    `series` is what a line is called, where it is not a network; `each` the column whose values have lines of their
    own, of one look: runs of a network. `looks` say how each value of the column `line` is drawn, in the order of the
    legend, the first on top, and `networks` how each network is, where that does not follow from the rows: some may be
    of no network. `guides` are lines to compare with.

    With `may_choose` a reader may choose one of these lines; with `fits_families` one who chooses a family gets other
    limits. Rows of the family "" stand beside every family.
    """

    name: str
    rows: pd.DataFrame
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    layout: Layout
    title: str = ""
    subtitle: str = ""
    note: str = ""
    facets: tuple[Facet, ...] = ()
    told: Mapping[str, str] = field(default_factory=dict)
    series: str = ""
    looks: Mapping[str, Look] = field(default_factory=dict)
    may_choose: bool = False
    hint: str = ""
    guides: tuple[Guide, ...] = ()
    each: str = ""
    networks: Mapping[Network, Look] = field(default_factory=dict)
    fits_families: bool = False

    def has(self, shape: Shape) -> bool:
        """Whether a shape is drawn."""
        return any(mark.shape == shape for mark in self.marks)

    @property
    def has_intervals(self) -> bool:
        """Whether bands are intervals of values."""
        return self.has("band") and not self.y.ticks

    @property
    def has_dots(self) -> bool:
        """Whether each value has a dot."""
        return any(mark.has_dots for mark in self.marks)

    @property
    def labels(self) -> dict[str, str]:
        """What the legend calls each look."""
        return {name: look.label for name, look in self.looks.items()}

    @property
    def stands_beside(self) -> bool:
        """Whether its panels stand beside each other on a screen, too."""
        return self.y.kind == "rows" or any(facet.is_beside for facet in self.facets)

    @property
    def values(self) -> Axis:
        """The axis of what was measured."""
        return self.x if self.y.kind == "rows" else self.y

    @property
    def facet(self) -> Facet | None:
        """The facet that is panels on paper."""
        return next((facet for facet in self.facets[::-1] if len(facet.names) > 1), (*self.facets, None)[0])

    def lines(self, networks: Mapping[Network, Look] | None = None) -> list[tuple[Look, pd.DataFrame]]:
        """Return look and rows of each line, in the order of drawing; `networks` are those of a larger comparison."""
        rows = self._rows_of_lines
        if self.looks:
            looks: Mapping[Any, Look] = dict([*self.looks.items()][::-1])
        else:  # those of a larger comparison keep the colours the same from panel to panel
            looks = networks if networks and rows.keys() <= networks.keys() else looks_of(self.rows)
        return [one for key, look in looks.items() if key in rows for one in self._each(look, rows[key])]

    @cached_property
    def _rows_of_lines(self) -> Mapping[Any, pd.DataFrame]:
        """The rows of each network, or of each look's name: found once, because a panel has several marks."""
        if not self.looks:
            return by_network(self.rows)
        return {str(name): rows for name, rows in self.rows.groupby("line", sort=False)}

    def _each(self, look: Look, rows: pd.DataFrame) -> Iterator[tuple[Look, pd.DataFrame]]:
        """Yield the lines of one look, of which the first has its label."""
        parts = [part for _, part in rows.groupby(self.each, sort=False)] if self.each else [rows]
        for number, part in enumerate(parts):
            yield (look._replace(label="_") if number else look), part

    def of_mark(self, mark: Mark, networks: Mapping[Network, Look] | None = None) -> list[tuple[Look, pd.DataFrame]]:
        """Return look and rows of each line of a mark, or of its dots, in the order of drawing."""
        of_mark = mark.chosen(self.rows)
        chosen = self if of_mark is self.rows else replace(self, rows=of_mark)
        if not mark.joins:
            return [(_over(mark.look, look), own) for look, own in chosen.lines(networks) if mark.is_known(own)]
        found = []
        for value, rows in chosen.rows.groupby(mark.joins, sort=True):
            look = mark.looks.get(str(value), mark.look)
            if look is not None and look.color and look.linestyle:
                found.append((look, rows))
                continue
            of_networks = [(_over(look, own), part) for own, part in replace(self, rows=rows).lines(networks)]
            found += of_networks if look is None or not look.color else [(of_networks[0][0], rows)]
        return found

    def cells(self, facets: Sequence[Facet]) -> Iterator[tuple[dict[str, str], Figure]]:
        """Yield each choice of values of some facets, with the figure of its rows and axes."""
        words = {facet.column: self.rows[facet.column].astype(str).to_numpy(dtype=object) for facet in facets}
        for values in itertools.product(*(facet.names for facet in facets)):
            x, y = self.x, self.y
            is_of = np.full(len(self.rows), fill_value=True)
            for facet, value in zip(facets, values, strict=True):
                is_of &= words[facet.column] == value
                x, y = facet.x.get(value, x), facet.y.get(value, y)
            yield (
                {facet.column: value for facet, value in zip(facets, values, strict=True)},
                replace(self, rows=self.rows[is_of], x=x, y=y),
            )


def _over(look: Look | None, network: Look) -> Look:
    """Return the look of a mark with what it leaves open from its network's."""
    if look is None:
        return network
    return look._replace(color=look.color or network.color, linestyle=look.linestyle or network.linestyle)
