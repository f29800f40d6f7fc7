"""What all live figures share: colours by depth, lines by family, logarithmic axes with a place for zeros."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, to_hex

from gradflow.analysis.variants import network_name
from gradflow.figures.axis_limits import MIN_TICKS, fine_places
from gradflow.figures.looks import Look, Network, network
from gradflow.figures.looks import looks as looks_of
from gradflow.figures.model import Axis
from gradflow.reporting.live.figure import Spec
from gradflow.text import text
from gradflow.text.numbers import multiple
from gradflow.text.words import named, sentences

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"  # a name; nothing is fetched from it
INK, SOFT, LINE = "light-dark(#1c1c1e,#e8e8ea)", "light-dark(#5a5a60,#a8a8b0)", "light-dark(#dddde1,#37383c)"
ACCENT = "light-dark(#4b2e9e,#b8a5ff)"  # of a figure whose colours tell no networks apart
# On dark paper deep is light, and hues come in the order that they have on light paper, orange to violet, so that a
# printed figure beside a live one means the same. Each keeps 3 : 1 (WCAG 1.4.11).
_DARK = LinearSegmentedColormap.from_list("dark", ("#b3561e", "#d1527a", "#c98be0", "#e2dcff"))
_WITHOUT_DEPTH_DARK = ("#56b4e9", "#ff9a4d", "#3fc79a", "#e39ac4", "#e0c040", "#c0c0c0")
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
FEW_VALUES = 8  # each of which has its tick
MAX_ENTRIES = 30  # of a legend; a pointer is told the others' names
MAX_TICKS = 6  # of a logarithmic axis
ZERO, NONFINITE, VALUE = "zero", "nonfinite", "value"
MULTIPLE = "multiple"  # how a pointer is told a logarithm: × 316, ÷ 398 million


def powers(low: float, high: float, most: int = MAX_TICKS) -> list[float]:
    """Return powers of ten between limits, evenly apart, or `fine_places` where there are fewer than four.

    Examples
    --------
    >>> powers(1e-7, 20.0)
    [1e-06, 0.0001, 0.01, 1.0]
    >>> powers(0.3, 6.0)
    [0.5, 1.0, 2.0, 5.0]
    """
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= min(most, MIN_TICKS) - 1:
        apart = -(-(last - first + 1) // most)
        return [float(f"1e{power}") for power in range(first, last + 1) if power % apart == 0]
    return fine_places(low, high)


class Palette(NamedTuple):
    """Which colour and which dashes each network has, in both themes."""

    tones: dict[str, str]
    dashes: dict[str, list[float]]
    by_network: dict[Network, tuple[str, str]]

    def on(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame with each row's network, where it has no name yet, tone and line, the words of legends."""
        none = ("", "")  # of what others published
        codes, pairs = pd.factorize(pd.MultiIndex.from_frame(frame[["family", "depth"]]))
        keys = [network(*pair) for pair in pairs]
        words = {
            "network": [name_of(key) for key in keys],
            "tone": [self.by_network.get(key, none)[0] for key in keys],
            "line": [self.by_network.get(key, none)[1] for key in keys],
        }
        found = frame.assign(**{name: np.asarray(found, dtype=object)[codes] for name, found in words.items()})
        return found.assign(network=frame["network"].fillna(found["network"])) if "network" in frame else found


def palette(networks: pd.DataFrame | Mapping[Network, Look]) -> Palette:
    """Return the colours and dashes of a frame's networks, or of looks; on light paper those of printed figures."""
    looks = looks_of(networks) if isinstance(networks, pd.DataFrame) else networks
    depths = sorted({depth for _, depth in looks if depth is not None})
    without = [family for family, depth in looks if depth is None]
    tones: dict[str, str] = {}
    dashes: dict[str, list[float]] = {}
    by_network: dict[Network, tuple[str, str]] = {}
    for (family, depth), look in looks.items():
        if depth is None:
            tone, dark = named(family), _WITHOUT_DEPTH_DARK[without.index(family) % len(_WITHOUT_DEPTH_DARK)]
        else:
            rank = depths.index(depth) / (len(depths) - 1) if len(depths) > 1 else 1.0
            tone = text("figure.of_depth", depth=depth)
            dark = to_hex(_DARK(rank))
        tones[tone] = f"light-dark({look.color},{dark})"
        dashes |= {named(family): dash(look.linestyle)} if family else {}
        by_network[family, depth] = (tone, named(family))
    return Palette(tones, dashes, by_network)


def dash(linestyle: Any) -> list[float]:
    """Return a printed figure's line style as lengths of marks and gaps on the screen."""
    return [2.0 * part for part in linestyle[1]] if isinstance(linestyle, tuple) else [1.0, 0.0]


def name_of(key: Network) -> str:
    """Return "plain-56" in the current language, or the family alone where there is no depth."""
    family, depth = key
    return named(family if depth is None else network_name(family, depth))


def by_network(found: Palette) -> Spec:
    """Return the encodings of colour and dashes, with their legends where there is something to tell apart."""
    known = found.dashes
    encoding: Spec = {"color": ordinal("tone", found.tones), "detail": [{"field": "network"}, {"field": "seed"}]}
    if len(known) > 1 and set(known) != set(found.tones):
        encoding["strokeDash"] = ordinal("line", known)
    return encoding


def ordinal(field: str, values: Mapping[str, Any]) -> Spec:
    """Return an encoding of names by given colours or dashes; a legend of many would be longer than the figure."""
    symbol = {"title": None, "symbolType": "stroke", "symbolOpacity": 1}
    legend: Any = symbol if 1 < len(values) <= MAX_ENTRIES else None
    scale = {"domain": list(values), "range": list(values.values())}
    return {"field": field, "type": "nominal", "scale": scale, "legend": legend, "sort": None}


def log_ticks(span: str = "hi/lo", *, values: Any = None, **more: Any) -> Spec:
    """Return ticks that are written as powers of ten, and as numbers where the axis spans few decades.

    They stand at `values`, by default where the signal ticks says.
    """
    places = {"expr": "ticks"} if values is None else values
    return {"labelExpr": log_label("datum.value", span), "labelOverlap": True, "values": places, **more}


def y_extent(labels: int) -> Spec:
    """Return what makes a vertical axis without a title take so many pixels."""
    return {"minExtent": labels, "maxExtent": labels}


def power_label(exponent: str) -> str:
    """Return the expression that writes ten to the power of the whole number that another expression gives."""
    power = f"format(round({exponent}),'d')"
    for digit, small in enumerate(_SUPERSCRIPTS):
        power = f"replace({power},/{digit}/g,'{small}')"
    return f"'10'+replace(replace({power},'−','⁻'),'-','⁻')"


def log_label(value: str, span: str) -> str:
    """Return the expression that writes a value of a logarithmic axis, `span` times as high as low."""
    exponent = f"log({value})/LN10"
    plain = f"{value}>=0.001 && {value}<10000 && log({span})<11.6 ? format({value},'~g')"
    digit = f"format({value}/pow(10,floor({exponent}+1e-9)),'.0f')+'×'+"
    power = power_label(f"floor({exponent}+1e-9)")
    return f"{plain} : (abs({exponent}-round({exponent}))<1e-6 ? '' : {digit}'') + {power}"


def whole_x(field: str, title: str, highest: float, lowest: float = 1) -> Spec:
    """Return a horizontal axis of whole numbers."""
    is_short = highest - lowest <= FEW_VALUES
    ticks: Spec = {"values": [*range(int(lowest), int(highest) + 1)]} if is_short else {"tickCount": 8}
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"domain": [lowest, highest], "nice": False},
        "axis": {"tickMinStep": 1, "format": "d", "grid": False, "labelOverlap": True, **ticks},
    }


def signals(values: Mapping[str, Any]) -> list[Spec]:
    """Return signals by name with the values that they start from."""
    return [{"name": name, "value": value} for name, value in values.items()]


def tooltip(**fields: str) -> list[Spec]:
    """Return what a pointer is told: a title for each field, `__` before a number's own format: see `format_of`."""
    return [_tooltip_field(field, title) for field, title in fields.items()]


def _tooltip_field(field: str, title: str) -> Spec:
    name, _, kind = field.partition("__")
    if not kind:
        return {"field": name, "type": "nominal", "title": title}
    if kind == MULTIPLE:
        return {"field": f"{name}_{MULTIPLE}", "type": "nominal", "title": title}
    return {"field": name, "type": "quantitative", "title": title, "format": {"percent": ".1%", "number": ".3~g"}[kind]}


def format_of(axis: Axis) -> str:
    """Return how a pointer is told values of an axis: logarithms by the columns of `with_multiples`."""
    percent = dict.fromkeys(("fraction", "error", "points"), "percent")
    return {**percent, "powers": MULTIPLE}.get(axis.kind, "number")


def with_multiples(rows: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Return rows with a further column for each of these that holds logarithms: how many times as large."""
    known = [name for name in columns if name in rows]
    return rows.assign(**{f"{name}_{MULTIPLE}": [_multiple(value) for value in rows[name]] for name in known})


def _multiple(value: float) -> str:
    return multiple(value) if math.isfinite(value) else ""


def and_multiples(names: Iterable[str]) -> list[str]:
    """Return names of columns with those that `with_multiples` may have added, each once."""
    return [found for name in dict.fromkeys(names) for found in (name, f"{name}_{MULTIPLE}")]


def edges(y: Spec) -> Spec:
    """Return the marks of zeros, at the foot, and of values that are not finite, on top."""
    shapes = {"domain": [ZERO, NONFINITE], "range": ["triangle-down", "cross"]}
    return {
        "transform": [{"filter": "isValid(datum.edge)"}],
        "mark": {"type": "point", "filled": True, "size": 36, "opacity": 1, "strokeDash": [1, 0]},
        "encoding": {
            "y": y,
            "shape": {"field": "mark", "type": "nominal", "scale": shapes, "legend": None},
            "strokeDash": None,
        },
    }


def layered(parts: Iterable[Spec], shared: Spec) -> list[Spec]:
    """Return the layers with the encodings that they share; one that a layer sets to None it goes without."""
    found = []
    for part in parts:
        encoding = {**shared, **part.get("encoding", {})}
        found.append({**part, "encoding": {name: how for name, how in encoding.items() if how is not None}})
    return found


def edge_note(frame: pd.DataFrame) -> str:
    """Return where zeros and values that are not finite are drawn, if there are any."""
    return sentences(*(text(f"live.edge.{mark}") for mark in (ZERO, NONFINITE) if (frame["mark"] == mark).any()))


def figure(body: Spec, *, height: int | None = None, params: Iterable[Spec] = ()) -> Spec:
    """Return a whole specification of one view as wide as its place, or of several that bring their own widths."""
    single: Spec = {"width": "container", "height": height, "autosize": {"type": "fit-x", "contains": "padding"}}
    return {
        "$schema": SCHEMA,
        "data": {"name": "rows"},
        "params": list(params),
        **(single if height else {}),
        **body,
        "config": _config(),
    }


def narrowed(spec: Spec, height: int, legend_columns: int = 2) -> Spec:
    """Return the specification of one view for a narrow place: its height, and its legends stacked."""
    return {**stacked(spec, legend_columns), "height": height}


def stacked(spec: Spec, legend_columns: int = 2) -> Spec:
    """Return a specification whose legends stand one under the other."""
    legend = {**spec["config"]["legend"], "columns": legend_columns, "layout": {"bottom": {"direction": "vertical"}}}
    return {**spec, "config": {**spec["config"], "legend": legend}}


def dots(tooltip: list[Spec], *, is_seen: bool = True) -> Spec:
    """Return small marks on a line, which page.js finds for a pointer that is near.

    Many beside each other would fill the gaps of a dashed line: then they are there for the pointer alone.
    """
    mark = {"type": "point", "filled": True, "size": 9, "opacity": int(is_seen)}
    return {"mark": mark, "encoding": {"tooltip": tooltip, "strokeDash": None}}


def _config() -> Spec:
    font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
    words = {"labelColor": SOFT, "titleColor": SOFT, "labelFontSize": 12, "titleFontSize": 12}
    return {
        "background": None,
        "aria": False,  # the element around it says what it shows
        "font": font,
        "view": {"stroke": None},
        "axis": {**words, "titleFontWeight": "normal", "domainColor": SOFT, "tickColor": SOFT, "gridColor": LINE},
        "legend": {
            **words,
            "titleFontWeight": "normal",
            "orient": "bottom",
            "columns": 3,
            "symbolStrokeWidth": 2.5,
            "symbolSize": 500,  # long enough for a dash and a gap
        },
        "title": {"color": INK, "anchor": "start", "fontSize": 13, "fontWeight": "normal", "offset": 6},
        "line": {"strokeWidth": 1.8},
        "header": {"labelColor": SOFT, "titleColor": SOFT},
    }
