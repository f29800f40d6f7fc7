"""What differs between two groups of runs, as tables to read."""

from __future__ import annotations

import math
from typing import Any

from gradflow.analysis.difference import Difference
from gradflow.tables import DASH, Table, column, words
from gradflow.text import text
from gradflow.text.numbers import count, factor, number

MAX_SHOWN = 30  # rows; --json has all
MAX_NAMED = 5  # layers without a partner


def difference_tables(found: Difference, before: str, after: str) -> list[Table]:
    """Return what changed first, and what differs beyond chance, ranked; what was compared stands below."""
    differing = found.differing
    values = count(len(found.rows), "values")
    said: dict[str, Any] = {"before": before, "after": after, "values": values, "n": len(differing)}
    title = text("difference.found" if len(differing) else "difference.same", **said)
    if len(differing) and found.first is not None:
        first = found.first
        where = _where(first.layer, first.other, first.measure)
        began = text("difference.first", step=first.step, where=where, change=by(first.change), before=before)
        title = text("list.sentences").join([title, began])
    more = len(differing) - MAX_SHOWN
    notes = [text("difference.more", n=more)] if more > 0 else []
    notes += [text("difference.by_depth")] if found.by == "depth" else []
    for run, layers in ((before, found.only_was), (after, found.only_now)):
        if layers:
            named = text("list.enumeration").join([*layers[:MAX_NAMED], *(["…"] if len(layers) > MAX_NAMED else [])])
            notes.append(text("difference.only", run=run, layers=named))
    notes.append(text("difference.chance"))
    caption = text("list.sentences").join(notes)
    if not len(differing):
        return [Table(title, (), [], caption, name="difference")]
    columns = (
        words("layer"), words("measure"), column("was", head=before), column("now", head=after),
        column("change", head=text("baseline.column.change")), column("allowed"), column("since"),
    )  # fmt: skip
    rows = [_written(row) for row in differing.head(MAX_SHOWN).to_dict("records")]
    return [Table(title, columns, rows, caption, "difference.column", name="difference")]


def _written(row: dict[Any, Any]) -> dict[str, str]:
    return {
        "layer": _pair(row["layer"], row["other"]),
        "measure": text(f"measure.{row['measure']}"),
        "was": norm(row["was"]),
        "now": norm(row["now"]),
        "change": by(row["change"]),
        "allowed": by(row["allowed"]),
        "since": str(row["step"]) if row["step"] >= 0 else DASH,
    }


def _where(layer: str, other: str, measure: str) -> str:
    return text("baseline.of", measure=text(f"measure.{measure}"), layer=_pair(layer, other))


def _pair(layer: str, other: str) -> str:
    return layer if layer == other else f"{layer} → {other}"


def norm(level: float) -> str:
    """Return a norm, given its logarithm."""
    if math.isfinite(level):
        return number(10**level)
    return text("value.missing" if math.isnan(level) else "baseline.zero" if level < 0 else "baseline.nonfinite")


def by(decades: float) -> str:
    """Return a difference of logarithms as a factor, a dash where one is of zero or not finite."""
    return factor(10**decades) if math.isfinite(decades) else DASH
