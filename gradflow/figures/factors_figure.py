"""How near are measured factors per layer to their closed forms? One row per setting or network and stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from gradflow.analysis.variants import network_name
from gradflow.figures.columns import require_columns
from gradflow.figures.looks import LONE, NEUTRAL, Look
from gradflow.figures.model import Axis, Figure, Layout, Mark
from gradflow.figures.seed_words import seeds_text
from gradflow.text import text
from gradflow.text.words import heading, named

_COLUMNS = ("label", "family", "depth", "stage", "n", "factor", "low", "high", "predicted")
_SOURCE = "gradflow.analysis.predicted"
_ROW, _FRAME = 0.17, 0.85  # inches of a row, and around all of them
_ONE = Look(NEUTRAL, (0, (1.5, 1.5)), "", "")
_FORM = Look("#c2410c", "-", "", "")


def factors(frame: pd.DataFrame) -> Figure:
    """Return factors per layer of `predicted` with their intervals, beside the closed forms.

    A factor below 1 is a gradient that vanishes, one above 1 a gradient that explodes. Rows without a measured factor
    are left out.
    """
    require_columns(frame, _COLUMNS, _SOURCE)
    rows = frame[frame["factor"].notna()]
    rows = rows.assign(name=[row_name(row) for row in rows.to_dict("records")], line="")
    form = text("head.closed_form")
    return Figure(
        "factors",
        title=text("figure.predicted.title"),
        rows=rows,
        x=Axis(
            "factor", text("head.factor"), name=heading("measured"), ends=(1.0,), others=("low", "high", "predicted")
        ),
        y=Axis("name", "", "rows", names=tuple(dict.fromkeys(rows["name"]))),
        marks=(
            Mark("level", value=1.0, look=_ONE),
            Mark("range"),
            Mark("tick", column="predicted", look=_FORM, label=form),
            Mark("dots"),
        ),
        note=seeds_text(rows["n"]),
        layout=Layout(height=_ROW * len(rows) + _FRAME, wide=1, narrow=1),
        told={"name": heading("setting")},
        looks={"": LONE},
        hint=text("live.factor_note"),
    )


def row_name(row: Mapping[Any, Any]) -> str:
    """Return the setting's label, or the network and its stage, counted from 1."""
    if row["label"]:
        return named(str(row["label"]))
    network = named(network_name(str(row["family"]), row["depth"]))
    return text("figure.predicted.stage", network=network, stage=int(str(row["stage"])) + 1)
