"""Figures of a report: what is drawn, what a reader who cannot see it is told, and the files beside the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import NamedTuple

from gradflow.errors import GradflowError
from gradflow.figures.model import Figure
from gradflow.plots.paper import page
from gradflow.plots.saving import FORMATS
from gradflow.reporting import render_pool
from gradflow.reporting.drawing import PNG, Drawn, Job, Make
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.screen import HEIGHT, live
from gradflow.text import text

_formats: ContextVar[tuple[str, ...]] = ContextVar("formats", default=(PNG,))


class FormatError(GradflowError):
    """A figure was asked for in a format that there is not."""


class Picture(NamedTuple):
    """One figure with what a reader who cannot see it needs.

    A picture that `is_covered` is what another's live figure shows, too: it is for print and for pages without script.
    """

    name: str
    alt: str
    caption: str = ""
    file: str = ""
    live: Live | None = None
    is_covered: bool = False
    ticket: render_pool.Ticket | None = None
    kind: str = "picture"

    @property
    def drawn(self) -> Drawn:
        """The figure itself, once those who draw have finished."""
        assert self.ticket is not None
        assert self.ticket.result is not None
        return self.ticket.result


@contextmanager
def printed_as(formats: Iterable[str]) -> Iterator[None]:
    """Within the block `draw` writes these formats, too: PDF and SVG in both widths of a journal's page.

    Raises FormatError where one is none of `gradflow.plots.saving.FORMATS`.
    """
    chosen = tuple(formats)
    unknown = [form for form in chosen if form not in FORMATS]
    if unknown:
        raise FormatError(text("error.report.formats", names=", ".join(FORMATS), value=repr(unknown[0])))
    before = _formats.set(chosen)
    try:
        yield
    finally:
        _formats.reset(before)


def draw_both(
    name: str,
    described: Callable[[], Figure],
    folder: Path,
    *,
    alt: str,
    caption: str = "",
    height: int = HEIGHT,
    notes: Iterable[str] = (),
) -> Picture:
    """Draw a description on paper, as `draw` does, and on a screen, there so many pixels high, with what else is said.

    It is made where it is drawn: on paper in a language that a font has.
    """
    shown = live(described(), height, notes=notes)
    return draw(name, partial(page, described), folder, alt=alt, caption=caption, live=shown)


def draw(
    name: str,
    make: Make,
    folder: Path,
    *,
    alt: str,
    caption: str = "",
    live: Live | None = None,
    is_covered: bool = False,
) -> Picture:
    """Draw a figure wide and save it as `<name>.png` at 300 dpi; draw it narrow, too, where no live one does that.

    `make` returns the figure at a width in inches; the file goes to `folder`'s folder figures, which exists. `alt` and
    `caption` say what it shows, for those who cannot see it and for all. `live` takes the picture's place on a screen;
    with `is_covered` another picture's live figure shows this one, too.
    """
    formats = tuple(form for form in _formats.get() if form != PNG)
    job = Job(name, make, folder / "figures", not (live or is_covered), formats)
    return Picture(name, alt, caption, f"figures/{name}.{PNG}", live, is_covered, render_pool.ask(job))
