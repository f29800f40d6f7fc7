"""Errors that others published, and curves that only illustrate, beside what was measured: never joined with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from gradflow.analysis.published import ILLUSTRATIVE, PUBLISHED
from gradflow.analysis.variants import network_name
from gradflow.figures.columns import require_columns
from gradflow.figures.depth_axis import DepthAxis
from gradflow.figures.looks import FAINT, Look, family_style
from gradflow.figures.model import Mark
from gradflow.figures.names import in_order, shorten
from gradflow.text import text
from gradflow.text.words import heading, named, sentences

_COLUMNS = ("family", "depth", "error", "source", "kind", "measure")
_SOURCE = "gradflow.analysis.published"
_SIZE = 7.0  # points: larger than what was measured, which stays visible inside
_SOURCE_LENGTH = 44  # characters


def of_measures(frame: pd.DataFrame | None, measures: Iterable[str]) -> pd.DataFrame:
    """Return the rows of each measure; those that do not say of which they are stand with each."""
    if frame is None:
        return pd.DataFrame(columns=list(_COLUMNS))
    require_columns(frame, _COLUMNS, _SOURCE, "published")
    parts = [frame[frame["measure"].isin([measure, ""])].assign(measure=measure) for measure in measures]
    return pd.concat(parts, ignore_index=True)


def rows(frame: pd.DataFrame, axis: DepthAxis) -> pd.DataFrame:
    """Return the rows of a figure: one per entry, of a `curve` for each family of a source."""
    frame = frame.sort_values(["kind", "source", "family", "depth"], kind="stable")
    is_drawn = frame["kind"] == ILLUSTRATIVE
    labels = [text("live.published", family=named(family)) for family in frame["family"].astype(str)]
    return pd.DataFrame(
        {
            "measure": frame["measure"],
            "kind": frame["kind"],
            "family": frame["family"],
            "depth": frame["depth"],
            "place": [axis.at(depth) for depth in frame["depth"]],
            "value": frame["error"].astype("float64"),
            "network": [named(network_name(*pair)) for pair in zip(frame["family"], frame["depth"], strict=True)],
            "label": pd.Series(labels, index=frame.index, dtype=object).mask(is_drawn, text("live.illustrative")),
            "source": frame["source"],
            "curve": _curves(frame),
        }
    )


def marks(frame: pd.DataFrame, families: Iterable[str]) -> tuple[Mark, ...]:
    """Return hollow markers, a shape a family, for what was published, and faint lines for what illustrates."""
    every = [*families, *frame["family"]]
    curves = frame.assign(curve=_curves(frame)).drop_duplicates("curve")
    looks: dict[str, dict[str, Look]] = {PUBLISHED: {}, ILLUSTRATIVE: {}}
    for curve, family, source, kind in curves[["curve", "family", "source", "kind"]].itertuples(index=False):
        line, shown = family_style(family, every), shorten(source, _SOURCE_LENGTH)
        label = (
            text("figure.published", source=shown)
            if kind == PUBLISHED
            else text("figure.illustrative", family=shorten(family), source=shown)
        )
        marker = line.marker if kind == PUBLISHED else ""
        looks[kind][curve] = Look(FAINT, line.linestyle, marker, label)
    told = {"label": text("live.elsewhere"), "source": heading("source")}
    drawn = {
        ILLUSTRATIVE: Mark("line", width=0.7, joins="curve"),
        PUBLISHED: Mark("dots", size=_SIZE, width=0.9, is_hollow=True, joins="curve"),
    }
    return tuple(
        replace(mark, of={"kind": (kind,)}, looks=looks[kind], told=told) for kind, mark in drawn.items() if looks[kind]
    )


def note(frame: pd.DataFrame) -> str:
    """Return where the figures of one error come from that were not measured here; empty if there are none."""
    said = []
    for kind in (PUBLISHED, ILLUSTRATIVE):
        known = frame[frame["kind"] == kind]
        if len(known):
            sources = text("list.separator").join(dict.fromkeys(known["source"]))
            families = text("list.separator").join(map(named, in_order(known["family"].astype(str).unique())))
            said.append(text(f"live.note.{kind}", families=families, sources=sources))
    return sentences(*said)


def _curves(frame: pd.DataFrame) -> pd.Series[str]:
    """Return the number of each family of a source, in their order, as text."""
    keys = ["kind", "source", "family"]
    numbers = frame.groupby(keys, sort=True).ngroup().map("{:03}".format)
    return numbers.astype(object)
