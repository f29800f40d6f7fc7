"""Picture: all layers' gradients over the steps so far as one small image, made in a few milliseconds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

MAX_COLUMNS = 120  # of flushes; where there are more, every second one is left out
WIDTH = 360  # pixels of the map
MAX_HEIGHT, MAX_ROW, LINE = 640, 14, 11  # pixels of the map, of a layer, and of a name
MARGIN, HEAD = 170, 40  # pixels left of the map, for names, and above it
MAX_NAME = 26  # letters
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
# Viridis at even distances: even in lightness, and read by colour-blind readers.
_VIRIDIS = np.array(
    [(68, 1, 84), (70, 50, 126), (54, 92, 141), (39, 127, 142), (31, 161, 135), (74, 193, 109), (160, 218, 57),
     (253, 231, 37)], dtype=np.float64,
)  # fmt: skip
_ZERO, _NONE, _NONFINITE = (0, 0, 0), (225, 225, 225), (214, 39, 40)


class Picture:
    """A map of gradients: a row per layer, the first on top, a column per flush, colour is the norm on a log scale."""

    def __init__(self) -> None:
        self._layers: list[str] = []
        self._columns: list[tuple[int, dict[str, float]]] = []
        self._every, self._n_added = 1, 0
        self._measure = ""

    def add(self, step: int, profile: pd.DataFrame, measure: str) -> None:
        """Add a column: the layers of one step, as `Flushed.profile` has them."""
        norms = profile[measure].to_numpy(dtype=np.float64)
        norms = np.where(np.isnan(norms) & (profile["n_nonfinite"].to_numpy() > 0), np.inf, norms)
        shown = ~np.isnan(norms) | profile["weighted"].to_numpy(dtype=bool)
        names = profile["layer"].to_numpy()[shown].tolist()
        self._layers = list(dict.fromkeys([*self._layers, *names]))
        column = (step, dict(zip(names, norms[shown].tolist(), strict=True)))
        self._measure = measure
        if self._columns and self._n_added % self._every:
            self._columns[-1] = column  # the last flush is always shown
        else:
            self._columns.append(column)
        self._n_added += 1
        if len(self._columns) > MAX_COLUMNS:
            del self._columns[1:-1:2]
            self._every *= 2

    def pixels(self) -> NDArray[np.uint8]:
        """Return the picture, (height, width, 3)."""
        norms = np.array([[column.get(layer, np.nan) for _, column in self._columns] for layer in self._layers])
        norms = norms.reshape(len(self._layers), len(self._columns))
        row = max(1, min(MAX_ROW, MAX_HEIGHT // max(len(norms), 1)))
        low, high = _limits(norms)
        size = (WIDTH, row * len(norms))
        cells = Image.fromarray(_coloured(norms, low, high)).resize(size, Image.Resampling.NEAREST)
        image = Image.new("RGB", (MARGIN + WIDTH, HEAD + size[1]), "white")
        image.paste(cells, (MARGIN, HEAD))
        draw, font = ImageDraw.Draw(image), ImageFont.load_default(11)
        what = "at outputs" if self._measure == "out_grad_norm" else "of parameters"
        draw.text((4, 4), f"gradient norm {what}, log scale", "black", font)
        first, last = self._columns[0][0], self._columns[-1][0]
        draw.text((MARGIN, 24), f"steps {first} to {last}; grey: none, black: zero, red: not finite", "black", font)
        self._draw_key(image, draw, font, low, high)
        for number in range(0, len(self._layers), -(-LINE // row)):  # every layer, or every second, third, ...
            draw.text((4, HEAD + row * number + row // 2), _short(self._layers[number]), "black", font, anchor="lm")
        return np.asarray(image)

    def _draw_key(self, image: Image.Image, draw: ImageDraw.ImageDraw, font: Font, low: float, high: float) -> None:
        ramp = _coloured(10.0 ** np.linspace(low, high, 160)[None, :], low, high)
        image.paste(Image.fromarray(ramp).resize((160, 12), Image.Resampling.NEAREST), (MARGIN + 100, 6))
        draw.text((MARGIN + 96, 4), f"1e{low:.0f}", "black", font, anchor="ra")
        draw.text((MARGIN + 264, 4), f"1e{high:.0f}", "black", font)


def _limits(norms: NDArray[np.float64]) -> tuple[float, float]:
    """Return whole powers of ten around all norms."""
    measured = norms[np.isfinite(norms) & (norms > 0)]
    if not len(measured):
        return -1.0, 0.0
    low, high = np.floor(np.log10(measured.min())), np.ceil(np.log10(measured.max()))
    return float(low), float(max(high, low + 1))


def _coloured(norms: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.clip((np.log10(norms) - low) / (high - low), 0, 1)
    place = np.nan_to_num(place) * (len(_VIRIDIS) - 1)
    below = np.minimum(place.astype(int), len(_VIRIDIS) - 2)
    share = (place - below)[..., None]
    colours = (1 - share) * _VIRIDIS[below] + share * _VIRIDIS[below + 1]
    for is_one, colour in ((norms == 0, _ZERO), (np.isnan(norms), _NONE), (np.isinf(norms), _NONFINITE)):
        colours[is_one] = colour
    pixels: NDArray[np.uint8] = colours.round().astype(np.uint8)
    return pixels


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME // 2 - 1]}…{name[-MAX_NAME // 2 :]}"
