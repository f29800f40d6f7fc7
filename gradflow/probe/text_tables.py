"""The tables of an analysis, to read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from gradflow.analysis.decay import MEASURED
from gradflow.analysis.layer_ranking import OFF
from gradflow.analysis.profile import beside_main_path
from gradflow.analysis.times import gradient_over_time, reach_over_time
from gradflow.diagnosis import Findings
from gradflow.diagnosis.cards import cards
from gradflow.recording import EVERY_JOIN, PLAIN_TWIN, WITHOUT_BRANCHES, WITHOUT_SKIPS, Recording
from gradflow.tables import DASH, Cell, Column, Table, column, ranged, words
from gradflow.text import has, text
from gradflow.text.model_words import described
from gradflow.text.numbers import factor, multiple, number
from gradflow.text.widths import shortened
from gradflow.text.words import head, loss_words, not_shown, word

HEADS = "analyze.column"
ENDS_SHOWN = 12  # rows shown at either end of a table along depth; those between are in the frames
WORST_SHOWN = 5
NAME_LENGTH = 22
KIND_LENGTH = 14
BAR_LENGTH = 10
MEASURES = ("out_grad_norm", WITHOUT_SKIPS, WITHOUT_BRANCHES, PLAIN_TWIN, "grad_norm", "grad_times_weight")
_EIGHTHS = " ▏▎▍▌▋▊▉█"

Row = Mapping[Any, Any]


def text_tables(
    recording: Recording, layers: pd.DataFrame, ranking: pd.DataFrame, degree: pd.DataFrame, findings: Findings
) -> list[Table]:
    """Return the tables of an analysis, in the order of reading; one that has no row is absent."""
    every = [
        _facts(recording),
        _degree(degree, str(recording.meta.get("joins") or EVERY_JOIN)),
        _layers(layers, recording),
        _worst(ranking),
        _times(recording),
        _skips(recording.skips),
        _lesions(recording),
        _coverage(recording),
        *(replace(one, title=text("analyze.findings.title")) for one in cards(findings, findings.checks)),
    ]
    return [one for one in every if one.rows]


def _name(key: str, length: int = NAME_LENGTH) -> Column:
    return words(key, lambda name: shortened(name, length))


def _short(key: str, digits: int = 2) -> Column:
    """Return a column of numbers of two digits."""
    return column(key, lambda value: number(value, digits))


def _facts(recording: Recording) -> Table:
    meta = recording.meta
    norm = meta.get("input_grad_norm")
    at_inputs = number(math.nan if norm is None else norm)
    values = {
        "model": text("analyze.parameters", model=described(meta), parameters=f"{meta.get('parameters', 0):,}"),
        "inputs": ", ".join(meta.get("inputs", ())),
        "mode": word(str(meta.get("mode", ""))),
        "loss": text("list.colon").join([number(_loss(recording)), loss_words(meta)]),
        "input_grad_norm": text("analyze.inputs_unreached") if meta.get("inputs_reached") is False else at_inputs,
    }
    rows = [(head(key, "analyze.fact"), value) for key, value in values.items() if value]
    return Table(text("analyze.title", name=recording.name), (), rows)


def _loss(recording: Recording) -> float:
    return float(recording.steps["loss"].iloc[0]) if len(recording.steps) else math.nan


def _degree(degree: pd.DataFrame, joins: str) -> Table:
    """Return one row per measure: both ends of the network, and the factor per layer of its longest stage."""
    by_measure = dict(iter(degree.groupby("measure", sort=False)))
    longest = [by_measure[name] for name in MEASURES if name in by_measure]
    rows = [stages.iloc[int(stages["n_layers"].to_numpy().argmax())].to_dict() for stages in longest]
    columns = (
        words("measure", lambda name: text(f"measure.{name}") if has(f"measure.{name}") else f"  {word(name)}"),
        column("decades", multiple),
        column("factor", factor),
        Column("interval", _interval),
        words("law", word),
        Column("stage_layers", lambda row: f"{row['first_depth']}–{row['last_depth']}" if row["n_layers"] else DASH),
    )
    caption = text("analyze.degree.caption")
    if degree["measure"].isin([WITHOUT_SKIPS, WITHOUT_BRANCHES]).any():
        where = "" if joins == EVERY_JOIN else text("analyze.at_joins", joins=joins)
        caption = text("list.sentences").join([caption, text("analyze.degree.without", where=where)])
    known = [row for row in rows if row["n_layers"] > 1 or not math.isnan(row["decades"])]
    return Table(text("analyze.degree.title"), columns, known, caption, HEADS)


def _interval(row: Row) -> str:
    return DASH if math.isnan(row["low"]) else ranged(row["low"], row["high"], factor)


def _layers(layers: pd.DataFrame, recording: Recording) -> Table:
    """Return one row per weighted layer, with a bar that shows the profile."""
    rms = recording.layers.drop_duplicates("layer").set_index("layer")["act_rms"]
    shown = layers.assign(bar=_bars(layers["out_grad_norm"].to_numpy(dtype=np.float64)))
    shown["act_rms"] = [float(rms.get(layer, math.nan)) for layer in layers["layer"]]
    columns = (
        column("depth", of="layer_depth"),
        _name("layer"),
        _short("out_grad_norm"),
        words("bar"),
        _short("grad_norm"),
        _short("act_rms"),
    )
    caption = [text("analyze.layers.caption"), not_shown(beside_main_path([recording]))]
    said = text("list.sentences").join(filter(None, caption))
    return _ends(Table(text("analyze.layers.title"), columns, shown.to_dict("records"), said, HEADS))


def _worst(ranking: pd.DataFrame) -> Table:
    """Return the layers that stand out most."""
    columns = (
        _name("layer"),
        _name("kind", KIND_LENGTH),
        _short("grad_norm"),
        _short("grad_per_weight"),
        Column("off", lambda row: multiple(row["decades_off"]) if row["reason"] == OFF else word(str(row["reason"]))),
    )
    rows = ranking.head(WORST_SHOWN).to_dict("records")
    return Table(text("analyze.worst.title"), columns, rows, text("analyze.worst.caption"), HEADS)


def _times(recording: Recording) -> Table:
    """Return one row per recurrent layer whose input has a gradient."""
    reached = reach_over_time(gradient_over_time(recording))
    rows = reached[(reached["tensor"] == "input") & reached["decades"].notna()].to_dict("records")
    columns = (
        _name("layer"),
        column("from", of="last"),
        column("to", of="first"),
        column("decades", multiple),
        column("factor", factor),
        column("reach"),
    )
    return _ends(Table(text("analyze.times.title"), columns, rows, text("analyze.times.caption"), HEADS))


def _skips(skips: pd.DataFrame) -> Table:
    """Return one row per join; why there is no angle stands in its place."""
    columns = (
        _name("join"),
        words("kind", word),
        column("share", _fraction, of="skip_share"),
        column("skip_sq", _fraction),
        column("branch_sq", _fraction),
        Column("angle", lambda row: word(row["status"]) if math.isnan(row["angle"]) else f"{row['angle']:.0f}°"),
        _short("branch_ratio"),
    )
    title = text("analyze.skips.title", n=len(skips))
    return _ends(Table(title, columns, skips.to_dict("records"), text("analyze.skips.caption"), HEADS))


def _lesions(recording: Recording) -> Table:
    """Return one row per join that a lesion was asked of; why there is none stands in the last column."""
    asked = recording.skips[recording.skips["lesion_status"] != ""]
    loss = _loss(recording)
    columns = (
        _name("join"),
        words("kind", word),
        _short("branch_ratio"),
        _short("loss", 3),
        column("lesion", _change),
        words("lesion_status", lambda status: "" if status == MEASURED else word(status)),
    )
    rows = asked.assign(loss=loss + asked["lesion"]).to_dict("records")
    caption = text("analyze.lesions.caption", loss=number(loss))
    return _ends(Table(text("analyze.lesions.title"), columns, rows, caption, HEADS))


def _change(value: float) -> str:
    return f"+{number(value)}" if value > 0 else number(value)


def _fraction(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _coverage(recording: Recording) -> Table:
    """Return one row per status other than measured."""
    counted = (
        recording.layers.drop_duplicates("layer").groupby("status")["layer"].count().drop(MEASURED, errors="ignore")
    )
    rows = [(str(n), word(str(status)), text(f"status.{status}")) for status, n in counted.items()]
    return Table(text("analyze.coverage.title"), (), rows)


def _ends(table: Table) -> Table:
    """Return the table with its first and last rows, and between them, in place of a name, how many there are."""
    rows, place = table.rows, next(place for place, one in enumerate(table.columns) if not one.is_number)
    if len(rows) <= 2 * ENDS_SHOWN:
        return table
    between = text("analyze.left_out", n=len(rows) - 2 * ENDS_SHOWN)
    columns = tuple(
        one._replace(cell=_unless_none(one.cell, between if here == place else "⋮" if here == 0 else ""))
        for here, one in enumerate(table.columns)
    )
    return replace(table, columns=columns, rows=[*rows[:ENDS_SHOWN], None, *rows[-ENDS_SHOWN:]])


def _unless_none(cell: Callable[[Row], Cell | str], otherwise: str) -> Callable[[Row | None], Cell | str]:
    return lambda row: otherwise if row is None else cell(row)


def _bars(norms: np.ndarray[Any, np.dtype[np.float64]]) -> list[str]:
    """Return a bar for each norm: from an eighth of a character for the smallest to the full length, in logarithms."""
    usable = np.isfinite(norms) & (norms > 0)
    if not usable.any():
        return [""] * len(norms)
    logs = np.log10(np.where(usable, norms, 1.0))
    low, high = logs[usable].min(), logs[usable].max()
    lengths = np.round(1 + (logs - low) / max(high - low, 1e-9) * (8 * BAR_LENGTH - 1)).astype(int)
    return [_bar(int(length)) if known else "" for length, known in zip(lengths, usable, strict=True)]


def _bar(eighths: int) -> str:
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + _EIGHTHS[rest]).rstrip()
