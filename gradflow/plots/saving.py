"""Figures as files: PNG, PDF and SVG, at the widths of a printed page, the same bytes each time."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from matplotlib.figure import Figure

from gradflow.plots.style import DOUBLE, PRINT_DPI, SINGLE, context
from gradflow.storage import write_whole

# What each format would say of the day and of the versions at hand.
_METADATA: Mapping[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": dict.fromkeys(("Creator", "Producer", "CreationDate")),
    "svg": dict.fromkeys(("Creator", "Date")),
}
FORMATS = tuple(_METADATA)


def sizes(column: Literal["single", "double"]) -> float:
    """Return a figure's width in inches: one column of a journal's page (89 mm) or both (183 mm).

    Every function that returns a figure takes it as `width`; fonts keep their size, at least 6 points.

    Examples
    --------
    >>> round(sizes("single"), 2), round(sizes("double"), 2)
    (3.5, 7.2)
    """
    widths = {"single": SINGLE, "double": DOUBLE}
    if column not in widths:
        raise ValueError(f"column must be 'single' or 'double'; got {column!r}.")
    return widths[column]


def save(figure: Figure, path: str | os.PathLike[str], *, dpi: float = PRINT_DPI) -> Path:
    """Write a PNG, PDF or SVG, as the suffix says, without dates or versions: the same figure gives the same file.

    Raises
    ------
    ValueError
        The suffix is none of these.
    """
    target = Path(path)
    form = target.suffix.removeprefix(".")
    if form not in FORMATS:
        raise ValueError(f"path must end in one of .{', .'.join(FORMATS)}; got {target.name!r}.")
    with context():
        stream = io.BytesIO()
        figure.savefig(stream, dpi=dpi, format=form, metadata=_METADATA[form])
    write_whole(target, stream.getbuffer())
    return target


def save_each(
    figure: Figure, path: str | os.PathLike[str], formats: Iterable[str] = ("png",), *, dpi: float = PRINT_DPI
) -> list[Path]:
    """Write a figure in several formats: `path` has no suffix and gets each.

    In PDF fonts are embedded as outlines that stay text; in SVG text is drawn as shapes. Heat maps are pixels at `dpi`
    in both.
    """
    stem = Path(path)
    return [save(figure, stem.with_name(f"{stem.name}.{form}"), dpi=dpi) for form in formats]
