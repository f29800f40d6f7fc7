"""The section with a table of every weighted layer, to be searched and sorted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from gradflow.analysis.profile import beside_main_path, main_path
from gradflow.reporting.live.row_limits import even_layers, even_steps
from gradflow.reporting.page_tables import NETWORK, page_table
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.section import Section
from gradflow.tables import DASH, Cell, Column, Table, column, words
from gradflow.tables.value import COURSE_HEIGHT
from gradflow.text import text
from gradflow.text.numbers import number
from gradflow.text.words import not_shown

FILE = "tables/layers.parquet"
MAX_ROWS = 2000  # of the table; a page with more is slow to search
MAX_POINTS = 20  # of the line of a row
MEASURES = ("out_grad_norm", "grad_norm", "weight_norm")
_KEYS = ["family", "depth", "layer", "kind", "layer_depth"]


def _layers(data: ReportData) -> pd.DataFrame | None:
    return _over_seeds(data.heatmap) if data.with_layers and not data.heatmap.empty else None


def _most(frame: pd.DataFrame) -> int | None:
    """Return how many layers of a network the table holds, None for all."""
    networks = frame[["family", "depth"]].drop_duplicates()
    return max(2, MAX_ROWS // len(networks)) if len(frame) > MAX_ROWS else None


def _table(_: ReportData, frame: pd.DataFrame) -> Table:
    most = _most(frame)
    if most is not None:
        frame = even_layers(frame.assign(run=frame["family"].astype("str") + frame["depth"].astype("str")), most)
    return replace(page_table("layers", COLUMNS, frame, FILE), is_long=True)


def _thinned(_: ReportData, frame: pd.DataFrame) -> str:
    most = _most(frame)
    return "" if most is None else text("layers.thinned", most=most)


def _over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per network and layer: norms before and after training, as geometric means over seeds."""
    path = main_path(frame)
    with np.errstate(divide="ignore", invalid="ignore"):
        path = path.assign(**{name: np.log(path[name]) for name in MEASURES})
    steps = path.groupby("run")["step"]
    grouped = {
        end: path[path["step"] == steps.transform(end)].groupby(_KEYS, dropna=False, sort=False)
        for end in ("min", "max")
    }
    ends = [group[list(MEASURES)].mean().transform("exp").add_suffix(f"_{end}") for end, group in grouped.items()]
    found = pd.concat([*ends, grouped["min"]["run"].nunique().rename("n"), _courses(path)], axis=1)
    start = found["weight_norm_min"]
    found["growth"] = (found["weight_norm_max"] / start).where(start > 0)
    ordered: pd.DataFrame = found.reset_index().sort_values(["family", "depth", "layer_depth"], kind="stable")
    return ordered


def _courses(path: pd.DataFrame) -> pd.Series[Any]:
    """Return the line of each network's layer: its parameter gradient's logarithm, a decade or more high."""
    groups = path.groupby(_KEYS, dropna=False, sort=False)
    steps = even_steps(path["step"].unique().tolist(), MAX_POINTS)
    is_kept = path["step"].isin(steps).to_numpy()
    place = groups.ngroup().to_numpy()[is_kept], np.searchsorted(steps, path["step"].to_numpy()[is_kept])
    values = path["grad_norm"].to_numpy(np.float64)[is_kept]
    is_known = ~np.isnan(values)
    place, values = (place[0][is_known], place[1][is_known]), values[is_known]
    total, n = np.zeros((2, groups.ngroups, len(steps)))
    np.add.at(n, place, 1)
    with np.errstate(invalid="ignore"):
        np.add.at(total, place, values)
        mean = total / n
    finite = np.where(np.isfinite(mean), mean, np.nan)
    low, high = (extreme.reduce(finite, axis=1) for extreme in (np.fmin, np.fmax))
    span = np.fmax(high - low, math.log(10))
    share = (mean - ((low + high - span) / 2)[:, None]) / span[:, None]
    share = np.where(np.isinf(mean), mean > 0, share)  # zeros at the foot
    heights = np.where(np.isnan(share), -1, np.round(COURSE_HEIGHT * np.nan_to_num(share))).astype(int)
    courses = [[None if one < 0 else one for one in row] if max(row) >= 0 else [] for row in heights.tolist()]
    return pd.Series(courses, index=groups.size().index, name="course", dtype="object")


def _course(row: Mapping[Any, Any]) -> Cell:
    """Return the line, sorted by how much the gradient grew."""
    grown = row["grad_norm_max"] / row["grad_norm_min"] if row["grad_norm_min"] > 0 else math.nan
    return Cell("" if row["course"] else DASH, key=f"{grown:.6g}", course=row["course"])


def _number(key: str, of: str) -> Column:
    """Return a column of numbers by which a reader may sort."""
    return Column(key, lambda row: Cell(DASH if math.isnan(row[of]) else number(row[of]), key=f"{row[of]:.6g}"))


COLUMNS = (
    NETWORK,
    words("layer"),
    words("kind"),
    words("depth", of="layer_depth"),
    column("n"),
    _number("out_start", "out_grad_norm_min"),
    _number("out_end", "out_grad_norm_max"),
    _number("grad_start", "grad_norm_min"),
    _number("grad_end", "grad_norm_max"),
    Column("grad_course", _course),
    _number("growth", "growth"),
)

LAYERS = Section(
    "layers",
    220,
    _layers,
    words=("layers.lead", "layers.course", _thinned, lambda data, _: not_shown(beside_main_path(data.with_layers))),
    parts=(_table,),
    files=lambda data: {"layers": data.heatmap} if data.with_layers else {},
    is_detail=True,
)
