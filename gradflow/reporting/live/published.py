"""Errors that others published, and curves that only illustrate, behind the live figure of what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from gradflow.analysis.published import ILLUSTRATIVE, PUBLISHED
from gradflow.figures.names import in_order
from gradflow.notes import DEPTH_STEP
from gradflow.plots import style
from gradflow.reporting.live.figure import Spec
from gradflow.reporting.live.pieces import dash, name_of, told
from gradflow.text import text
from gradflow.text.words import heading, named

# Of the markers of printed figures.
_SHAPES: Mapping[str, str] = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "P": "cross",
    "v": "triangle-down",
    "X": "cross",
}
_COLUMNS = ("family", "depth", "value", "kind", "measure", "source", "network", "label", "curve")


def known_elsewhere(published: pd.DataFrame | None, measured: pd.DataFrame, measures: Iterable[str]) -> pd.DataFrame:
    """Return one row per published error and measure that it is of, up to the deepest network measured.

    Parameters
    ----------
    published : DataFrame or None
        From `gradflow.analysis.published`; a row that does not say of which error it is stands with each.
    measured : DataFrame
        Has the depths that were measured, and the families.
    measures : iterable of str
        The errors that were measured.

    Returns
    -------
    DataFrame
        family, depth, value (fraction), kind, measure, source, network, label (its legend), curve (from 0).
    """
    if published is None or published.empty:
        return pd.DataFrame(columns=list(_COLUMNS))
    near = published[published["depth"] < measured["depth"].max() + DEPTH_STEP]
    parts = [near[near["measure"].isin([measure, ""])].assign(measure=measure) for measure in measures]
    rows = pd.concat(parts, ignore_index=True).rename(columns={"error": "value"})
    told_of: pd.DataFrame = rows.assign(
        network=[name_of(style.network(*pair)) for pair in zip(rows["family"], rows["depth"], strict=True)],
        label=[_label(*pair) for pair in zip(rows["kind"], rows["family"], strict=True)],
        curve=rows.groupby(["family", "source"], sort=False).ngroup(),
    )
    return told_of


def layers(rows: pd.DataFrame, x: Spec, y: Spec, families: Iterable[str]) -> list[Spec]:
    """Return hollow markers, a shape a family, of what was published, and faint lines of what illustrates.

    Never joined with what was measured, which is drawn over them.
    """
    every = [*families, *rows["family"]]
    found = []
    tooltip = told(
        network=heading("network"),
        value__percent=text("live.value"),
        label=text("live.elsewhere"),
        source=heading("source"),
    )
    drawn = rows[rows["kind"] == ILLUSTRATIVE]
    for (curve, family), _ in drawn.groupby(["curve", "family"], sort=True):
        line = dash(style.family_style(str(family), every).linestyle)
        found.append(
            {
                "transform": [{"filter": f"datum.kind == '{ILLUSTRATIVE}' && datum.curve == {int(str(curve))}"}],
                "mark": {"type": "line", "strokeWidth": 1, "strokeDash": line},
                "encoding": {"x": x, "y": y, "stroke": {"value": style.FAINT}},
            }
        )
    if len(drawn):  # in which a pointer finds the lines
        found.append(
            {
                "transform": [{"filter": f"datum.kind == '{ILLUSTRATIVE}'"}],
                "mark": {"type": "point", "filled": True, "size": 100, "opacity": 1},
                "encoding": {"x": x, "y": y, "color": {"value": "transparent"}, "tooltip": tooltip},
            }
        )
    printed = rows[rows["kind"] == PUBLISHED]
    if len(printed):
        shapes = {str(name): _shape_of(str(name), every) for name in printed["family"].unique()}
        shape: Spec = {"field": "family", "type": "nominal", "legend": None}
        shape["scale"] = {"domain": list(shapes), "range": list(shapes.values())}
        found.append(
            {
                "transform": [{"filter": f"datum.kind == '{PUBLISHED}'"}],
                "mark": {"type": "point", "filled": False, "size": 130, "opacity": 1, "strokeWidth": 1.4},
                "encoding": {
                    "x": x, "y": y, "color": {"value": style.FAINT}, "shape": shape, "tooltip": tooltip,
                },
            }
        )  # fmt: skip
    return found


def note(rows: pd.DataFrame) -> str:
    """Return where the figures of one error come from that were not measured here; empty if there are none."""
    said = []
    for kind in (PUBLISHED, ILLUSTRATIVE):
        known = rows[rows["kind"] == kind]
        if len(known):
            sources = text("list.separator").join(dict.fromkeys(known["source"]))
            families = text("list.separator").join(map(named, in_order(known["family"].astype(str).unique())))
            said.append(text(f"live.note.{kind}", families=families, sources=sources))
    return text("list.sentences").join(said)


def left_out(published: pd.DataFrame | None, deepest: float) -> str:
    """Return that some are of much deeper networks than the deepest that was run; empty if there are none."""
    is_deeper = published is not None and (published["depth"] >= deepest + DEPTH_STEP).any()
    return text("live.note.deeper") if is_deeper else ""


def _label(kind: str, family: str) -> str:
    """Return what a pointer is told of it."""
    return text("live.illustrative") if kind == ILLUSTRATIVE else text("live.published", family=named(family))


def _shape_of(family: str, families: Iterable[str]) -> str:
    return _SHAPES[style.family_style(family, families).marker]
