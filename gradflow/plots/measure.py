"""How much room words take: their width in inches, lines that fit, columns of a legend that fit."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache, lru_cache

import matplotlib as mpl
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties

from gradflow.figures.names import shorten
from gradflow.plots.style import TICK_SIZE

POINTS = 72.0  # to an inch
_DPI = 720.0  # of the measurement: so fine that letters are not moved onto pixels
_SHORTEST, _LONGEST = 4, 200  # characters of a name; as many narrow ones are wider than any figure
_HINTED = 1.03  # by how much coarse pixels may widen a line
# Of a legend's entry, in units of the font size, as matplotlib's own settings and `panels.LEGEND` say.
_HANDLE, _HANDLE_PAD, _COLUMN_SPACING, _BORDER = 2.6, 0.8, 1.2, 0.4
BESIDE_LABEL = _HANDLE + _HANDLE_PAD + 2 * _BORDER  # what an entry takes in width besides its label


def text_width(text: str, size: float) -> float:
    """Return the inches that one line of text takes at a size in points, in the fonts in use.

    Examples
    --------
    >>> 0.4 < text_width("residual", 8) < 0.5
    True
    """
    rc = mpl.rcParams
    fonts = rc["font.family"], rc["font.sans-serif"], rc["font.serif"], rc["font.monospace"]
    return _measured(text, size, tuple(map(tuple, fonts)))


@lru_cache(maxsize=4096)  # panels, and figures, have words in common
def _measured(text: str, size: float, fonts: tuple[tuple[str, ...], ...]) -> float:
    properties = FontProperties(size=size)  # of the fonts in use
    # matplotlib does not annotate its renderers; False: no mathematics
    extent = _renderer().get_text_width_height_descent(text.replace(r"\$", "$"), properties, False)  # type: ignore[no-untyped-call]
    return float(extent[0]) / _DPI * _HINTED


@cache
def _renderer() -> RendererAgg:
    return RendererAgg(1, 1, _DPI)  # type: ignore[no-untyped-call]  # as above


def fitted(name: str, inches: float, size: float) -> str:
    """Return a name shortened until it fits.

    Examples
    --------
    >>> fitted("a name", 1.0, 7)
    'a name'
    >>> "…" in fitted("an architecture of a long name", 1.0, 7)
    True
    """
    length = min(len(name), _LONGEST)
    while length > _SHORTEST and text_width(shorten(name, length), size) > inches:
        length -= 1
    return shorten(name, length)


def wrapped(text: str, inches: float, size: float) -> str:
    """Return the text in lines of at most so many inches, broken between words, and within one that is longer."""
    return "\n".join(_broken(line, inches, size) for line in text.split("\n"))


def _broken(line: str, inches: float, size: float) -> str:
    if text_width(line, size) <= inches:
        return line
    pieces = line.split(" ") if " " in line else list(line)
    space = " " if " " in line else ""
    lines = [pieces[0]]
    for piece in pieces[1:]:
        longer = f"{lines[-1]}{space}{piece}"
        if text_width(longer, size) <= inches:
            lines[-1] = longer
        else:
            lines.append(piece)
    return "\n".join(_broken(part, inches, size) if space else part for part in lines)


def legend_columns(labels: Sequence[str], inches: float, size: float = TICK_SIZE) -> int:
    """Return in how many columns a legend of these labels fits, at least 1.

    Matplotlib fills columns one after the other, the first ones longer, each as wide as its longest label.
    """
    return next((one for one in range(len(labels), 1, -1) if legend_width(labels, one, size) <= inches), 1)


def legend_width(labels: Sequence[str], columns: int, size: float = TICK_SIZE) -> float:
    """Return the inches that a legend of these labels takes in so many columns."""
    em = size / POINTS
    widths = [
        max(text_width(line, size) for line in label.split("\n")) + (_HANDLE + _HANDLE_PAD) * em for label in labels
    ]
    taken = sum(max(part, default=0.0) for part in _parts(widths, columns))
    return taken + (columns - 1) * _COLUMN_SPACING * em + 2 * _BORDER * em


def _parts(widths: list[float], columns: int) -> list[list[float]]:
    short, longer = divmod(len(widths), columns)
    ends = [0]
    for column in range(columns):
        ends.append(ends[-1] + short + (column < longer))
    return [widths[start:end] for start, end in itertools.pairwise(ends)]
