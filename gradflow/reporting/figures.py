"""Figures of a report: each drawn wide and narrow, saved for print, and embedded in the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from gradflow.plots import style
from gradflow.plots.files import FORMATS, save
from gradflow.recording import GradflowError
from gradflow.reporting.live.figure import Live

SCREEN_REDUCTION = 2  # the page's copy has half the print's resolution in each direction, 150 dpi
NARROW_DPI = 200  # 3.4 inches make 680 pixels: two a CSS pixel on a phone 340 wide
CSS_PIXELS_PER_INCH = 96
COLOURS = 256  # of the embedded copies; the files keep all


PNG = "png"
_formats: ContextVar[tuple[str, ...]] = ContextVar("formats", default=(PNG,))


class FormatError(GradflowError):
    """A figure was asked for in a format that there is not."""


class Make(Protocol):
    """Draws a figure at a width in inches."""

    def __call__(self, *, width: float) -> Figure:
        """Return the figure."""


class Picture(NamedTuple):
    """One figure as data URIs, with what a reader who cannot see it needs; `narrow` is empty beside a live one.

    A picture that `is_covered` is what another's live figure shows, too: it is for print and for pages without script.
    """

    name: str
    wide: str
    narrow: str
    width: int
    height: int
    alt: str
    caption: str
    file: str
    live: Live | None = None
    is_covered: bool = False
    kind: str = "picture"


@contextmanager
def printed_as(formats: Iterable[str]) -> Iterator[None]:
    """Within the block `draw` writes these formats, too: PDF and SVG in both widths of a journal's page.

    Raises
    ------
    FormatError
        A format is none of `gradflow.plots.files.FORMATS`.
    """
    chosen = tuple(formats)
    unknown = [form for form in chosen if form not in FORMATS]
    if unknown:
        raise FormatError(f"formats may hold {', '.join(FORMATS)}; got {unknown[0]!r}.")
    before = _formats.set(chosen)
    try:
        yield
    finally:
        _formats.reset(before)


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

    Parameters
    ----------
    name : str
        The file's name.
    make : callable
        Returns the figure at a width in inches.
    folder : Path
        The report's; the file goes to its folder figures, which exists.
    alt, caption : str
        What the figure shows, for those who cannot see it and for all.
    live : Live, optional
        What takes the picture's place on a screen.
    is_covered : bool
        Whether another picture's live figure shows this one, too.
    """
    file = f"figures/{name}.png"
    with style.context():
        wide = make(width=style.DOUBLE)
        printed = _rendered(wide, style.PRINT_DPI)
        small = "" if live or is_covered else _data_uri(_rendered(make(width=style.SINGLE), NARROW_DPI))
        for form in (form for form in _formats.get() if form != PNG):
            save(wide, folder / f"figures/{name}.{form}")
            save(make(width=style.SINGLE), folder / f"figures/{name}-single.{form}")
    printed.save(folder / file, dpi=(style.PRINT_DPI, style.PRINT_DPI), compress_level=3)
    width, height = (round(float(inches) * CSS_PIXELS_PER_INCH) for inches in wide.get_size_inches())
    screen = _data_uri(printed.reduce(SCREEN_REDUCTION))
    return Picture(name, screen, small, width, height, alt, caption, file, live, is_covered)


def _rendered(figure: Figure, dpi: float) -> Image.Image:
    """Return the figure as an image: drawn once, where `savefig` draws twice to settle the layout first."""
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib does not annotate its canvases
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]  # as above
    return Image.fromarray(pixels).convert("RGB")


def _data_uri(image: Image.Image) -> str:
    # Median cut takes ten times as long and is further off at its worst; the octree misses pure white alone.
    reduced = image.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    palette = reduced.getpalette() or []
    corner = 3 * int(np.asarray(reduced)[0, 0])
    palette[corner : corner + 3] = image.getpixel((0, 0))  # type: ignore[assignment]  # three bytes of an RGB image
    reduced.putpalette(palette)
    stream = io.BytesIO()
    reduced.save(stream, "png", compress_level=6)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
