"""What a reader may choose of a figure, and what the axes follow when they do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from gradflow.figures.axis_limits import limits
from gradflow.figures.model import Facet, Figure
from gradflow.figures.names import clean
from gradflow.reporting.live.axis_specs import Vertical
from gradflow.reporting.live.encodings import powers
from gradflow.reporting.live.figure import ALL, Control, Option, select
from gradflow.reporting.live.mark_specs import shown_by
from gradflow.text import text
from gradflow.text.words import heading, named


def families(figure: Figure) -> list[tuple[dict[str, str], Figure]]:
    """Return the figure of each choice of a family, all of them first, where a choice changes limits."""
    if not figure.fits_families:
        return [({}, figure)]
    choices = [option.value for option in _family_options(_measured(figure, figure.rows))] or [ALL]
    parts = {name: figure.rows[figure.rows["family"].isin([name, ""])] if name else figure.rows for name in choices}
    return [({"family": name}, replace(figure, rows=rows)) for name, rows in parts.items()]


def _family_options(frame: pd.DataFrame) -> list[Option]:
    """Return the families to choose from, all of them first; nothing where there is one."""
    names = [str(name) for name in frame["family"].unique()]
    return [Option(ALL, text("live.all")), *(Option(name, named(name)) for name in names)] if len(names) > 1 else []


def of_facets(figure: Figure) -> list[Control]:
    """Return the choice of each facet's values, and of one line where a reader may choose it."""
    controls = [one for facet in figure.facets for one in select(facet.column, facet.label, _options(facet))]
    if figure.may_choose:
        lines = [Option(ALL, text("live.all")), *(Option(name, name) for name in figure.labels.values())]
        controls += select("line", figure.series, lines if len(lines) > 2 else ())
    return controls


def of_families(figure: Figure, rows: pd.DataFrame) -> tuple[Control, ...]:
    """Return the choice of a family, nothing where there is one or where lines are no networks."""
    if figure.looks or any(facet.column == "family" for facet in figure.facets):
        return ()
    frame = _measured(figure, rows)
    label = figure.series or (heading("family") if frame["depth"].notna().any() else heading("network"))
    return select("family", label, _family_options(frame))


def _measured(figure: Figure, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of networks, without those of others that stand beside them."""
    return rows[rows["family"].isin([name for name, _ in figure.networks if name])] if figure.networks else rows


def axis_signals(figure: Figure, vertical: Vertical) -> dict[str, Any]:
    """Return what the axes follow, and which levels are seen."""
    x, y, rows = figure.x, figure.y, figure.rows
    (left, right), (low, high) = limits(x, rows), limits(y, rows)
    ticks = powers(low, high) if y.kind == "log" else None
    levels = [mark for mark in figure.marks if mark.shape == "level" and (mark.of or mark.column)]
    seen = {shown_by(mark): len(mark.chosen(rows)) > 0 for mark in levels}
    ends: dict[str, Any] = {"lo": low, "hi": high, "ticks": ticks}
    if vertical.is_mixed and y.kind == "log":
        ends = {name: np.log10(found).tolist() for name, found in ends.items()}
    ends |= {"kind": y.kind} if vertical.is_mixed else {}
    ends |= {} if vertical.axis.title else {"title": y.title}
    ticks_of = {"x": x.ticks, "y": y.ticks}
    named_ticks = {
        f"{along}_{what}": values
        for along, ticks in ticks_of.items()
        if ticks
        for what, values in (("places", [*ticks]), ("names", [clean(named(name)) for name in ticks.values()]))
    }
    return {**ends, "left": left, "right": right, **named_ticks, **seen}


def _options(facet: Facet) -> list[Option]:
    return [
        Option(value, name, note=facet.notes.get(value, ""), file=facet.files.get(value, ""))
        for value, name in facet.names.items()
    ]
