"""One figure drawn: wide for print and page, narrow where no live figure is, as files and as data URIs."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from gradflow.plots import style
from gradflow.plots.saving import save
from gradflow.storage import write_whole

SCREEN_REDUCTION = 2  # the page's copy has half the print's resolution in each direction, 150 dpi
NARROW_DPI = 200  # 3.4 inches make 680 pixels: two a CSS pixel on a phone 340 wide
CSS_PIXELS_PER_INCH = 96
COLOURS = 256  # of the embedded copies; the files keep all
PNG = "png"


class Make(Protocol):
    """Draws a figure at a width in inches."""

    def __call__(self, *, width: float) -> Figure:
        """Return the figure."""


class Job(NamedTuple):
    """A figure to be drawn: `<name>.png` at 300 dpi in a folder, other formats in both widths of a journal's page."""

    name: str
    make: Make
    folder: Path
    has_narrow: bool
    formats: tuple[str, ...]

    @property
    def files(self) -> list[str]:
        """The names of the files that the figure is written to."""
        others = (name for form in self.formats for name in (f"{self.name}.{form}", f"{self.name}-single.{form}"))
        return [f"{self.name}.{PNG}", *others]


class Drawn(NamedTuple):
    """The figure as data URIs, `narrow` empty where it was not asked for, and its size on a page in CSS pixels."""

    wide: str
    narrow: str
    width: int
    height: int


def drawn(job: Job) -> Drawn:
    """Draw a figure, write its files, and return what a page embeds."""
    with style.context():
        wide = job.make(width=style.DOUBLE)
        printed = _rendered(wide, style.PRINT_DPI)
        narrow = _data_uri(_rendered(job.make(width=style.SINGLE), NARROW_DPI)) if job.has_narrow else ""
        for form in (form for form in job.formats if form != PNG):
            save(wide, job.folder / f"{job.name}.{form}")
            save(job.make(width=style.SINGLE), job.folder / f"{job.name}-single.{form}")
    stream = io.BytesIO()
    printed.save(stream, PNG, dpi=(style.PRINT_DPI, style.PRINT_DPI), compress_level=3)
    write_whole(job.folder / f"{job.name}.{PNG}", stream.getbuffer())
    width, height = (round(float(inches) * CSS_PIXELS_PER_INCH) for inches in wide.get_size_inches())
    return Drawn(_data_uri(printed.reduce(SCREEN_REDUCTION)), narrow, width, height)


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
