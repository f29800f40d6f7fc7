"""An analysis as tables to read: rows of words, and the two ways to write them that need no terminal library."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gradflow.analysis.decay import MEASURED
from gradflow.analysis.profile import beside_main_path
from gradflow.analysis.ranking import OFF
from gradflow.analysis.times import gradient_over_time, reach_over_time
from gradflow.recording import EVERY_JOIN, NO_MATHEMATICS, PLAIN_TWIN, WITHOUT_BRANCHES, WITHOUT_SKIPS, Recording
from gradflow.text import has, text
from gradflow.text.controls import printable
from gradflow.text.numbers import decades, factor, number, signed
from gradflow.text.widths import columns as columns_of
from gradflow.text.widths import padded, wrapped
from gradflow.text.words import head, loss_words, not_shown, word

ENDS_SHOWN = 12  # rows shown at either end of a table along depth; those between are in the frames
WORST_SHOWN = 5
NAME_LENGTH = 22
KIND_LENGTH = 14
BAR_LENGTH = 10
WIDTH = 80
MEASURES = ("out_grad_norm", WITHOUT_SKIPS, WITHOUT_BRANCHES, PLAIN_TWIN, "grad_norm", "grad_times_weight")
WORDS = frozenset({"measure", "layer", "kind", "bar", "join", "law", "lesion_status"})  # columns that stand flush left
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_GAP = "  "

Row = tuple[str, ...]


class Shown(NamedTuple):
    """One table: title, keys of its columns, rows and what they mean; without columns a list of facts or sentences."""

    title: str
    columns: Row
    rows: list[Row]
    caption: str = ""

    @property
    def heads(self) -> Row:
        """The columns' names to read."""
        return tuple(head(key, "analyze.column") for key in self.columns)


def shown(
    recording: Recording, layers: pd.DataFrame, ranking: pd.DataFrame, degree: pd.DataFrame, findings: list[str]
) -> list[Shown]:
    """Return the tables of an analysis, in the order of reading; one that has no row is absent."""
    every = [
        _facts(recording),
        _degree(degree, str(recording.meta.get("joins") or EVERY_JOIN)),
        _layers(layers, recording),
        _worst(ranking),
        _times(recording),
        _skips(recording.skips),
        _lesions(recording),
        Shown(text("analyze.findings.title"), (), [(sentence,) for sentence in findings]),
        _coverage(recording),
    ]
    return [_printable(one) for one in every if one.rows]


def _printable(table: Shown) -> Shown:
    """Return the table with names as text: no cell holds a control character."""
    rows = [tuple(map(printable, row)) for row in table.rows]
    return table._replace(title=printable(table.title), rows=rows, caption=printable(table.caption))


def as_text(tables: Iterable[Shown]) -> str:
    """Return tables as text: columns padded, numbers flush right."""
    return "\n\n".join(_text(table) for table in tables)


def as_html(tables: Iterable[Shown]) -> str:
    """Return tables as HTML without styles, as a notebook shows it."""
    return "".join(_html(table) for table in tables)


def _text(table: Shown) -> str:
    if not table.columns:
        return "\n".join([table.title, *_listed(table.rows)])
    heads = [table.heads, *table.rows]
    widths = [max(map(columns_of, cells)) for cells in zip(*heads, strict=True)]
    ruled = [table.heads, tuple("-" * width for width in widths), *table.rows]
    lines = [_GAP.join(map(_padded, row, widths, table.columns)).rstrip() for row in ruled]
    return "\n".join([table.title, *lines, *wrapped(table.caption, WIDTH)])


def _padded(cell: str, width: int, column: str) -> str:
    return padded(cell, width, right=column not in WORDS)


def _listed(rows: list[Row]) -> list[str]:
    """Return rows without heads as lines, the last cell wrapped beside the others."""
    widths = [max(map(columns_of, cells)) for cells in zip(*rows, strict=True)][:-1]
    lines = []
    for row in rows:
        lead = "".join(padded(cell, width) + _GAP for cell, width in zip(row, widths, strict=False))
        indent = " " * columns_of(lead) if lead else _GAP
        lines += wrapped(row[-1], WIDTH, first=lead, indent=indent)
    return lines


def _html(table: Shown) -> str:
    if len(table.columns) == 0 and table.rows and len(table.rows[0]) == 1:
        body = "".join(f"<li>{escape(row[0])}</li>" for row in table.rows)
        return f'<div class="{NO_MATHEMATICS}"><p><strong>{escape(table.title)}</strong></p><ul>{body}</ul></div>'
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.heads)
    cell_of = '<td style="text-align:left">{}</td>'.format  # a notebook's own style is right
    body = "".join(f"<tr>{''.join(cell_of(escape(cell)) for cell in row)}</tr>" for row in table.rows)
    caption = f"<p>{escape(table.caption)}</p>" if table.caption else ""
    title = f"<p><strong>{escape(table.title)}</strong></p>"
    return f'<div class="{NO_MATHEMATICS}">{title}<table><tr>{head}</tr>{body}</table>{caption}</div>'


def _facts(recording: Recording) -> Shown:
    meta = recording.meta
    norm = meta.get("input_grad_norm")
    at_inputs = number(math.nan if norm is None else norm)
    values = {
        "model": text("analyze.parameters", model=meta.get("model", ""), parameters=f"{meta.get('parameters', 0):,}"),
        "inputs": ", ".join(meta.get("inputs", ())),
        "mode": word(str(meta.get("mode", ""))),
        "loss": text("list.colon").join([number(_loss(recording)), loss_words(meta)]),
        "input_grad_norm": text("analyze.inputs_unreached") if meta.get("inputs_reached") is False else at_inputs,
    }
    rows: list[Row] = [(head(key, "analyze.fact"), value) for key, value in values.items() if value]
    return Shown(text("analyze.title", name=recording.name), (), rows)


def _loss(recording: Recording) -> float:
    return float(recording.steps["loss"].iloc[0]) if len(recording.steps) else math.nan


def _degree(degree: pd.DataFrame, joins: str) -> Shown:
    """Return one row per measure: both ends of the network, and the factor per layer of its longest stage."""
    rows: list[Row] = []
    by_measure = dict(iter(degree.groupby("measure", sort=False)))
    for measure, stages in ((name, by_measure[name]) for name in MEASURES if name in by_measure):
        longest = stages.iloc[int(stages["n_layers"].to_numpy().argmax())]
        if longest["n_layers"] < 2 and math.isnan(longest["decades"]):
            continue
        low, high = factor(longest["low"]), factor(longest["high"])
        interval = "" if math.isnan(longest["low"]) else text("list.range", low=low, high=high)
        rows.append(
            (
                text(f"measure.{measure}") if has(f"measure.{measure}") else f"  {word(measure)}",
                signed(longest["decades"]),
                "–" if math.isnan(longest["factor"]) else factor(longest["factor"]),
                interval or "–",
                word(str(longest["law"])),
                f"{longest['first_depth']}–{longest['last_depth']}" if longest["n_layers"] else "–",
            )
        )
    columns = ("measure", "decades", "factor", "interval", "law", "stage_layers")
    caption = text("analyze.degree.caption")
    if degree["measure"].isin([WITHOUT_SKIPS, WITHOUT_BRANCHES]).any():
        where = "" if joins == EVERY_JOIN else text("analyze.at_joins", joins=joins)
        caption = text("list.sentences").join([caption, text("analyze.degree.without", where=where)])
    return Shown(text("analyze.degree.title"), columns, rows, caption)


def _layers(layers: pd.DataFrame, recording: Recording) -> Shown:
    """Return one row per weighted layer, with a bar that shows the profile."""
    bars = _bars(layers["out_grad_norm"].to_numpy(dtype=np.float64))
    rms = recording.layers.drop_duplicates("layer").set_index("layer")["act_rms"]
    rows: list[Row] = [
        (
            str(row["layer_depth"]),
            _shortened(str(row["layer"])),
            _or_dash(row["out_grad_norm"]),
            bar,
            _or_dash(row["grad_norm"]),
            _or_dash(float(rms.get(row["layer"], math.nan))),
        )
        for row, bar in zip(layers.to_dict("records"), bars, strict=True)
    ]
    columns = ("depth", "layer", "out_grad_norm", "bar", "grad_norm", "act_rms")
    caption = text("list.sentences").join(
        filter(None, [text("analyze.layers.caption"), not_shown(beside_main_path([recording]))])
    )
    return Shown(text("analyze.layers.title"), columns, _ends(rows, name=1), caption)


def _worst(ranking: pd.DataFrame) -> Shown:
    """Return the layers that stand out most."""
    rows: list[Row] = [
        (
            _shortened(str(row["layer"])),
            _shortened(str(row["kind"]), KIND_LENGTH),
            _or_dash(row["grad_norm"]),
            _or_dash(row["grad_per_weight"]),
            decades(row["decades_off"]) if row["reason"] == OFF else word(str(row["reason"])),
        )
        for row in ranking.head(WORST_SHOWN).to_dict("records")
    ]
    columns = ("layer", "kind", "grad_norm", "grad_per_weight", "off")
    return Shown(text("analyze.worst.title"), columns, rows, text("analyze.worst.caption"))


def _times(recording: Recording) -> Shown:
    """Return one row per recurrent layer whose input has a gradient."""
    reached = reach_over_time(gradient_over_time(recording))
    rows: list[Row] = [
        (
            _shortened(str(row["layer"])),
            str(row["last"]),
            str(row["first"]),
            signed(row["decades"]),
            factor(row["factor"]),
            str(row["reach"]),
        )
        for row in reached[(reached["tensor"] == "input") & reached["decades"].notna()].to_dict("records")
    ]
    columns = ("layer", "from", "to", "decades", "factor", "reach")
    return Shown(text("analyze.times.title"), columns, _ends(rows, name=0), text("analyze.times.caption"))


def _skips(skips: pd.DataFrame) -> Shown:
    """Return one row per join; why there is no angle stands in its place."""
    rows: list[Row] = [
        (
            _shortened(str(row["join"])),
            word(str(row["kind"])),
            *(_fraction(row[name]) for name in ("skip_share", "skip_sq", "branch_sq")),
            word(str(row["status"])) if math.isnan(row["angle"]) else f"{row['angle']:.0f}°",
            _or_dash(row["branch_ratio"]),
        )
        for row in skips.to_dict("records")
    ]
    columns = ("join", "kind", "share", "skip_sq", "branch_sq", "angle", "branch_ratio")
    title = text("analyze.skips.title", n=len(rows))
    return Shown(title, columns, _ends(rows, name=0), text("analyze.skips.caption"))


def _lesions(recording: Recording) -> Shown:
    """Return one row per join that a lesion was asked of; why there is none stands in the last column."""
    asked = recording.skips[recording.skips["lesion_status"] != ""]
    loss = _loss(recording)
    rows: list[Row] = [
        (
            _shortened(str(row["join"])),
            word(str(row["kind"])),
            _or_dash(row["branch_ratio"]),
            _or_dash(loss + row["lesion"], 3),
            _change(row["lesion"]),
            "" if row["lesion_status"] == MEASURED else word(str(row["lesion_status"])),
        )
        for row in asked.to_dict("records")
    ]
    columns = ("join", "kind", "branch_ratio", "loss", "lesion", "lesion_status")
    caption = text("analyze.lesions.caption", loss=number(loss))
    return Shown(text("analyze.lesions.title"), columns, _ends(rows, name=0), caption)


def _change(value: float) -> str:
    return f"+{number(value)}" if value > 0 else _or_dash(value, 3)


def _fraction(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}".replace("-", "−")


def _coverage(recording: Recording) -> Shown:
    """Return one row per status other than measured."""
    rows = recording.layers.drop_duplicates("layer")
    others = rows[rows["status"] != "measured"]
    counted: list[Row] = [
        (f"{len(group)}", word(str(status)), text(f"status.{status}")) for status, group in others.groupby("status")
    ]
    return Shown(text("analyze.coverage.title"), (), counted)


def _ends(rows: list[Row], *, name: int) -> list[Row]:
    """Return the first and the last rows, and between them, in the column of names, how many there are."""
    if len(rows) <= 2 * ENDS_SHOWN:
        return rows
    left_out = text("analyze.left_out", n=len(rows) - 2 * ENDS_SHOWN)
    between = tuple(left_out if place == name else "⋮" if place == 0 else "" for place in range(len(rows[0])))
    return [*rows[:ENDS_SHOWN], between, *rows[-ENDS_SHOWN:]]


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


def _or_dash(value: float, digits: int = 2) -> str:
    return "–" if math.isnan(value) else number(value, digits)


def _shortened(name: str, length: int = NAME_LENGTH) -> str:
    """Return a name cut in the middle where it is long: its ends tell most."""
    name = printable(name)
    if len(name) <= length:
        return name
    ahead = length // 3
    return f"{name[:ahead]}…{name[ahead + 1 - length :]}"
