"""Profiles along depth as one line each: a character a layer, on one logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gradflow.cli.output import encodes
from gradflow.cli.terminal import width
from gradflow.tables import Table, column, words
from gradflow.text import text
from gradflow.text.numbers import number
from gradflow.text.widths import columns, shortened

BLOCKS, DIGITS = "▁▂▃▄▅▆▇█", "12345678"  # smallest to largest
ZERO, NONFINITE, UNMEASURED = "0", "!", "?"
LONGEST_LABEL = 20
OTHER_COLUMNS = 12  # the gaps between columns, and the size of groups
_DIGITS_OF_ENDS = 2


class Line(NamedTuple):
    """One profile: what it is called and its norms from input to output, NaN where nothing was measured."""

    label: str
    norms: Sequence[float]


@dataclass(frozen=True)
class Scale:
    """A logarithmic scale from the smallest to the largest positive norm, and its characters."""

    low: float
    high: float
    marks: str

    @classmethod
    def of(cls, norms: Sequence[float], marks: str) -> Scale:
        """Return the scale that holds all positive finite norms, NaN to NaN where there is none."""
        usable = [norm for norm in norms if 0 < norm < math.inf]
        return cls(min(usable, default=math.nan), max(usable, default=math.nan), marks)

    def mark(self, norm: float) -> str:
        """Return the character of a norm."""
        if math.isnan(norm):
            return UNMEASURED
        if math.isinf(norm):
            return NONFINITE
        if norm == 0:
            return ZERO
        span = math.log(self.high) - math.log(self.low)
        share = (math.log(norm) - math.log(self.low)) / span if span > 0 else 1.0
        return self.marks[min(int(share * len(self.marks)), len(self.marks) - 1)]


def strips(title: str, lines: Sequence[Line], note: str = "") -> Table:
    """Return profiles under each other on one scale, with what their characters mean.

    `note` says more of the values. A profile too long for the terminal shows several layers a character, by their
    geometric mean, and says how many; a group that holds a zero or a value that is not finite shows that.
    """
    scale = Scale.of([norm for line in lines for norm in line.norms], BLOCKS if encodes(BLOCKS) else DIGITS)
    named = [(shortened(line.label, LONGEST_LABEL), _end(line.norms[0]), _end(line.norms[-1])) for line in lines]
    room = width() - OTHER_COLUMNS - sum(max(map(columns, one)) for one in zip(*named, strict=True))
    sizes = [math.ceil(len(line.norms) / max(room, 1)) for line in lines]
    drawn = ["".join(map(scale.mark, grouped(line.norms, size))) for line, size in zip(lines, sizes, strict=True)]
    rows = [
        {"network": label, "input": first, "strip": strip, "output": last, "group": size}
        for (label, first, last), strip, size in zip(named, drawn, sizes, strict=True)
    ]
    shown = [words("network"), column("input"), words("strip"), column("output")]
    if max(sizes) > 1:
        shown.append(column("group"))
    legend = text("list.sentences").join(filter(None, [_legend(scale, "".join(drawn), max(sizes)), note]))
    return Table(title, tuple(shown), rows, legend, "terminal.strip.column")


def grouped(norms: Sequence[float], size: int) -> list[float]:
    """Return one norm for every `size` neighbours, fewer in the last group.

    That is their geometric mean; inf if one is not finite, otherwise 0 if one is 0. What was not measured is left out.
    """
    return [_together(norms[start : start + size]) for start in range(0, len(norms), size)]


def _together(norms: Sequence[float]) -> float:
    known = [norm for norm in norms if not math.isnan(norm)]
    if not known:
        return math.nan
    if math.inf in known or 0 in known:
        return math.inf if math.inf in known else 0.0
    return math.exp(sum(map(math.log, known)) / len(known))


def _end(norm: float) -> str:
    return UNMEASURED if math.isnan(norm) else number(norm, _DIGITS_OF_ENDS)


def _legend(scale: Scale, drawn: str, largest_group: int) -> str:
    """Return what the characters mean that are there."""
    said = []
    if not math.isnan(scale.low):
        low, high = (number(value, _DIGITS_OF_ENDS) for value in (scale.low, scale.high))
        said.append(text("terminal.strip.scale", first=scale.marks[0], last=scale.marks[-1], low=low, high=high))
    if largest_group > 1:
        said.append(text("terminal.strip.grouped"))
    marks = {
        ZERO: text("terminal.strip.zero", mark=ZERO),
        NONFINITE: text("terminal.strip.nonfinite", mark=NONFINITE),
        UNMEASURED: text("terminal.strip.unmeasured", mark=UNMEASURED),
    }
    return text("list.sentences").join([*said, *(sentence for mark, sentence in marks.items() if mark in drawn)])
