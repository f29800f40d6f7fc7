"""Figures on a screen: a description becomes a Vega-Lite specification; a facet is a list to choose from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from gradflow.figures.model import Figure
from gradflow.figures.seed_words import MAX_BANDS
from gradflow.reporting.live import seed_rows
from gradflow.reporting.live.axis_specs import AXIS_TITLE, Vertical, x_axis
from gradflow.reporting.live.beside import panels
from gradflow.reporting.live.choices import axis_signals, families, of_facets, of_families
from gradflow.reporting.live.encodings import (
    and_multiples,
    by_network,
    dash,
    dots,
    edge_note,
    layered,
    narrowed,
    ordinal,
    palette,
    signals,
)
from gradflow.reporting.live.encodings import edges as edge_marks
from gradflow.reporting.live.encodings import figure as whole
from gradflow.reporting.live.figure import Live, Scale, Spec, select
from gradflow.reporting.live.mark_specs import alone, guide_layer, in_both_themes, mark_layers, mark_tooltip
from gradflow.reporting.live.placed_rows import placed
from gradflow.text import text
from gradflow.text.words import heading, sentences

HEIGHT, NARROWER = 300, 20  # pixels, and by how much less in a narrow place
_LONG = 18  # characters of a name, two of which do not stand beside each other in a narrow place


def live(figure: Figure, height: int = HEIGHT, *, notes: Iterable[str] = (), has_dots: bool = True) -> Live | None:
    """Return the figure with what a reader may choose, or with its panels beside each other; None if it has no row.

    `height` is in pixels, of a figure with choices. Without `has_dots` no dots are seen; a pointer finds them all the
    same.
    """
    if figure.rows.empty:
        return None
    if figure.stands_beside:
        return panels(figure, notes)
    cells = [(values, part) for values, part in figure.cells([one for one in figure.facets if one.rescales])]
    cells = [(values, part) for values, part in cells if len(part.rows)]
    kinds = {part.y.kind for _, part in cells}
    y = Vertical(replace(figure.y, kind=min(kinds)), len(kinds) > 1)
    scales = tuple(Scale(values | one, axis_signals(own, y)) for values, part in cells for one, own in families(part))
    rows = pd.concat([placed(part, is_mixed=y.is_mixed) for _, part in cells], ignore_index=True)
    has_bands = figure.has("band")
    if figure.looks:
        rows = rows.assign(line=rows["line"].map(figure.labels))
        by_line = _by_look(figure)
    else:
        tones = palette(figure.networks or figure.rows)
        rows, by_line = tones.on(rows), by_network(tones)
        has_bands = has_bands and len(tones.by_network) <= MAX_BANDS
    rows = rows.sort_values("seed", kind="stable")  # long repeats take little room in a page
    marks = [mark for mark in figure.marks if mark.shape != "band" or has_bands]
    behind, before = (
        [guide_layer(figure, one, y) for one in figure.guides if bool(one.look.marker) == has] for has in (0, 1)
    )
    layers = behind
    layers += [layer for mark in marks for layer in mark_layers(figure, mark, y)]
    layers += before
    if any(mark.shape in ("line", "dots") and not mark.joins for mark in marks):
        layers += [alone(), dots(mark_tooltip(figure), is_seen=has_dots)]
    if any(part.y.kind == "log" for _, part in cells):
        layers.append(edge_marks(y.encoding("edge")))
    shared = {"x": x_axis(figure.x, figure.rows), "y": y.encoding(), **by_line}
    if figure.each:
        shared["detail"] = [{"field": "network"}, {"field": figure.each}]
    body = {"layer": layered(layers, shared), **({} if figure.y.title else {"title": AXIS_TITLE})}
    spec = whole(body, height=height, params=signals(scales[0].signals))
    bands = text("live.bands") if has_bands and figure.has_intervals and rows["low"].notna().any() else ""
    has_seeds = not figure.each and not figure.has("seeds") and rows["seed"].nunique() > 1
    of_seed = select("seed", heading("seed"), seed_rows.choice(rows, bands) if has_seeds else [])
    of_only = [note for facet in figure.facets if len(facet.names) == 1 for note in facet.notes.values()]
    said = (figure.hint, *of_only, "" if of_seed else bands, edge_note(rows), *notes)
    note = sentences(*said)
    is_wordy = any(len(name) > _LONG for name in figure.labels.values())
    narrow = narrowed(spec, height - NARROWER, 1 if is_wordy or figure.y.ticks else 2)
    if figure.networks:
        rows = rows.assign(family=rows["family"].where(rows["family"] != "", None))  # beside every family
    chosen = (*of_facets(figure), *of_seed, *of_families(figure, rows))
    return Live(figure.name, spec, narrow, rows[_columns(figure, y, rows)], chosen, note, scales)


def _columns(figure: Figure, y: Vertical, rows: pd.DataFrame) -> list[str]:
    """Return the columns that a page needs."""
    of_line = ["line"] if figure.looks else ["seed", "family", "network", "tone", "line"]
    of_axes = [figure.x.column, y.axis.column, "low", "high", "n", "edge", "mark"]
    places = [y.field(name) for name in ("", "low", "high", "edge")]
    of_marks = [name for mark in figure.marks for name in (*mark.of, mark.joins if mark.looks else "", *mark.told)]
    of_marks += [mark.column for mark in figure.marks if mark.shape != "level"]
    of_facets = [facet.column for facet in figure.facets]
    told = [name.partition("__")[0] for name in figure.told]
    names = [*of_facets, *of_line, *of_axes, *places, *of_marks, figure.each, *told]
    return [name for name in and_multiples(names) if name in rows]


def _by_look(figure: Figure) -> Spec:
    """Return the encodings of colour and dashes of lines that are no networks."""
    looks = {look.label: look for look in figure.looks.values()}
    colors = {name: in_both_themes(look.color) for name, look in looks.items()}
    if figure.has("bar"):
        color = ordinal("line", colors)
        legend = color["legend"] and {**color["legend"], "symbolType": "square", "symbolStrokeWidth": 0}
        return {"color": {**color, "legend": legend}}
    dashes = {name: dash(look.linestyle) for name, look in looks.items()}
    return {"color": ordinal("line", colors), "strokeDash": ordinal("line", dashes)}
