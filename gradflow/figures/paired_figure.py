"""How much worse does plain train? Differences between two families, paired by seed, against depth."""

from __future__ import annotations

import pandas as pd

from gradflow.analysis.degradation import degradation
from gradflow.analysis.degradation import paired_difference as pairs_of
from gradflow.figures.columns import Data, frame_of, require
from gradflow.figures.depth_axis import DepthAxis, depth_axis, described
from gradflow.figures.looks import FAINT, NEUTRAL, FamilyStyle, Look, Network, depth_color, family_style
from gradflow.figures.model import Axis, Facet, Figure, Layout, Mark
from gradflow.figures.names import in_order, short_names
from gradflow.figures.seed_words import mean_text
from gradflow.text import text
from gradflow.text.words import heading, named

DIFFERENCE = "difference"  # the kind of its rows, and what they hold in the place of an error
COLUMNS = ("depth", "n", "mean", "low", "high", "settings")
SOURCE = "gradflow.analysis.paired_difference"
NO_PAIRS = pd.DataFrame(columns=list(COLUMNS))


def paired_difference(frame: Data) -> Figure:
    """Return the plain minus the residual error at each depth, paired by seed; one line per variant.

    An interval that excludes zero says that the families differ at that depth.

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.paired_difference`.
    """
    frame = frame_of(frame, lambda runs: pairs_of(degradation(runs)))
    require(frame, COLUMNS, SOURCE)
    places = axis(frame)
    return Figure(
        DIFFERENCE,
        rows=rows(frame, places),
        x=described(places),
        y=y_axis(),
        marks=marks(frame),
        note=mean_text(frame["n"]),
        layout=Layout(height=1.85),
        facets=(Facet("measure", heading("measure"), {DIFFERENCE: title()}, {DIFFERENCE: title()}, tells="depth"),),
        networks=networks(frame, frame["depth"]),
    )


def axis(frame: pd.DataFrame, *, is_log: bool | None = None) -> DepthAxis:
    """Return where each variant stands at each depth."""
    return depth_axis(_pairs(frame), is_log=is_log)


def rows(frame: pd.DataFrame, axis: DepthAxis) -> pd.DataFrame:
    """Return the rows of a figure: of no family, and of a `curve` for each variant."""
    pairs = _pairs(frame)
    curves = _curves(frame)
    names = [filter(None, (text("figure.of_depth", depth=depth), named(settings))) for settings, depth in pairs]
    return frame.rename(columns={"mean": "value"}).assign(
        measure=DIFFERENCE,
        kind=DIFFERENCE,
        family="",
        place=[axis.places[pair] for pair in pairs],
        curve=[curves[settings] for settings, _ in pairs],
        network=[text("list.separator").join(name) for name in names],
    )


def marks(frame: pd.DataFrame) -> tuple[Mark, ...]:
    """Return zero, and for each variant a faint line, which a legend names if there are several, and its means."""
    curves = _curves(frame)
    labels = short_names(curves)
    lines, dots = {}, {}
    for settings, curve in curves.items():
        line = family_style(settings, curves) if settings else FamilyStyle("-", "o")
        label = text("figure.difference.of", settings=labels[settings]) if len(curves) > 1 else ""
        lines[curve] = Look(FAINT, line.linestyle, line.marker, label)
        dots[curve] = Look("", line.linestyle, line.marker, "")
    of = {"kind": (DIFFERENCE,)}
    return (
        Mark("level", of=of, look=Look(NEUTRAL, "-", "", "")),
        Mark("line", of=of, width=0.8, joins="curve", looks=lines),
        Mark("interval", of=of, joins="curve", looks=dots),
    )


def networks(frame: pd.DataFrame, depths: pd.Series[int]) -> dict[Network, Look]:
    """Return the looks of what stands at a depth: its colour among all depths drawn."""
    every = [int(depth) for depth in depths.dropna()]
    return {("", depth): Look(depth_color(depth, every), "-", "o", "") for depth in map(int, frame["depth"])}


def y_axis() -> Axis:
    """Return the axis of differences."""
    return Axis("value", text("figure.difference.y"), "points", ends=(0.0,), others=("low", "high"))


def title() -> str:
    """Return the question that the differences answer."""
    return text("figure.difference.title")


def _pairs(frame: pd.DataFrame) -> list[tuple[str, int]]:
    return [(str(settings), int(depth)) for settings, depth in zip(frame["settings"], frame["depth"], strict=True)]


def _curves(frame: pd.DataFrame) -> dict[str, str]:
    """Return the number of each variant, as text."""
    return {settings: str(number) for number, settings in enumerate(in_order(map(str, frame["settings"])))}
