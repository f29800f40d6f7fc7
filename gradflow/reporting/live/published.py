"""Errors that others published, and curves that only illustrate, behind the live figure of what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from gradflow.analysis.published import ILLUSTRATIVE, PUBLISHED
from gradflow.notes import DEPTH_STEP
from gradflow.plots import style
from gradflow.plots.names import in_order
from gradflow.reporting.live.figure import Spec
from gradflow.reporting.live.pieces import dash, name_of, told
from gradflow.text import text
from gradflow.text.words import named

_SHAPES = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross")
_NO_SYMBOL = "M0,0"  # a path of no length
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
        network=text("column.network"),
        value__percent=text("live.value"),
        label=text("live.elsewhere"),
        source=text("column.published_source"),
    )
    drawn = rows[rows["kind"] == ILLUSTRATIVE]
    for (curve, family), _ in drawn.groupby(["curve", "family"], sort=True):
        line = dash(style.family_style(str(family), every).linestyle)
        found.append(
            {
                "transform": [{"filter": f"datum.kind == '{ILLUSTRATIVE}' && datum.curve == {int(str(curve))}"}],
                "mark": {"type": "line", "strokeWidth": 1, "strokeDash": line},
                "encoding": {"x": x, "y": y, "stroke": _stroke()},
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
        shapes = {_label(PUBLISHED, name): _SHAPES[n % len(_SHAPES)] for n, name in enumerate(in_order(every))}
        shapes = {label: shape for label, shape in shapes.items() if label in set(printed["label"])}
        shapes[text("live.none_published")] = _NO_SYMBOL
        found.append(
            {
                "transform": [{"filter": f"datum.kind == '{PUBLISHED}'"}],
                "mark": {"type": "point", "filled": False, "size": 130, "opacity": 1, "strokeWidth": 1.4},
                "encoding": {
                    "x": x, "y": y, "color": {"value": style.FAINT}, "shape": _shape(shapes), "tooltip": tooltip,
                },
            }
        )  # fmt: skip
    return found


def printed(rows: pd.DataFrame, measure: str) -> dict[str, list[str]]:
    """Return the signal that keeps markers out of the legend which the chosen error has not.

    It names that there is none where that is so: Vega gives a legend without entries an infinite height.
    """
    found = rows[(rows["kind"] == PUBLISHED) & (rows["measure"] == measure)]
    return {"printed": list(dict.fromkeys(found["label"])) or [text("live.none_published")]}


def note(rows: pd.DataFrame, published: pd.DataFrame | None, deepest: float) -> str:
    """Return where the figures come from that were not measured here, and whether some of deeper networks are left out.

    `deepest` is the depth of the deepest network that was run. Empty if nothing is known from elsewhere.
    """
    if published is None or published.empty:
        return ""
    said = []
    for kind in (PUBLISHED, ILLUSTRATIVE):
        known = rows[rows["kind"] == kind]
        if len(known):
            errors = text("list.separator").join(text(f"live.error.{one}") for one in known["measure"].unique())
            sources = text("list.separator").join(dict.fromkeys(known["source"]))
            said.append(text(f"live.note.{kind}", errors=errors, sources=sources))
    if (published["depth"] >= deepest + DEPTH_STEP).any():
        said.append(text("live.note.deeper"))
    return text("list.sentences").join(said)


def _label(kind: str, family: str) -> str:
    """Return a legend's words; the curves that illustrate share theirs, as the dashes tell families apart."""
    return text("live.illustrative") if kind == ILLUSTRATIVE else text("live.published", family=named(family))


def _stroke() -> Spec:
    scale = {"domain": [text("live.illustrative")], "range": [style.FAINT]}
    legend = {"title": None, "symbolType": "stroke", "symbolStrokeWidth": 1, "symbolOpacity": 1}
    return {"field": "label", "type": "nominal", "scale": scale, "legend": legend}


def _shape(shapes: Mapping[str, str]) -> Spec:
    scale = {"domain": list(shapes), "range": list(shapes.values())}
    symbol = {"symbolStrokeColor": style.FAINT, "symbolFillColor": "transparent", "symbolStrokeWidth": 1.4}
    return {
        "field": "label",
        "type": "nominal",
        "scale": scale,
        "legend": {"title": None, "symbolOpacity": 1, "values": {"expr": "printed"}, **symbol},
    }
