"""Figures and tables that an older report left in a folder: each page names the files that were written with it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_HEAD = 2**16  # bytes: the names stand before the page's style
_SAID = re.compile(rb'<meta name="gradflow-files" content="([^"]*)">')
_OURS = re.compile(r"(?:figures|tables)/\w[\w-]*\.(?:png|pdf|svg|csv|parquet)", re.ASCII)


def named_in(page: Path) -> set[str]:
    """Return the files that a page says were written with it, "figures/training.png"; none if there is no page.

    Nothing but figures and tables counts, whatever a page from a stranger says.
    """
    if not page.is_file():
        return set()
    with page.open("rb") as stream:
        said = _SAID.search(stream.read(_HEAD))
    names = said[1].decode("utf-8", "replace").split() if said else []
    return {name for name in names if _OURS.fullmatch(name)}


def remove(folder: Path, names: Iterable[str]) -> None:
    """Remove files of a report's folder."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
