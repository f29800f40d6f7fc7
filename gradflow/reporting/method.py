"""How a report's numbers came about: what was run, on what, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

import pandas as pd

from gradflow.analysis.decay import MEASURED
from gradflow.analysis.runs import stacked
from gradflow.recording import Recording
from gradflow.text import text
from gradflow.text.numbers import count, percent, seconds
from gradflow.text.words import heading, loss_words, said, word

# The meta keys worth showing, in order; each has the text fact.<key>.
SHOWN = (
    "preset",
    "scaled",
    "model",
    "inputs",
    "mode",
    "loss",
    "data",
    "n_train",
    "n_test",
    "n_inputs",
    "widths",
    "width",
    "shortcut",
    "steps",
    "batch_size",
    "lr",
    "schedule",
    "warmup",
    "momentum",
    "weight_decay",
    "record_every",
    "eval_every",
    "seed",
    "device",
    "device_name",
    "threads",
    "dtype",
    "gradients",
)


def facts(recordings: list[Recording], command: str | None) -> list[tuple[str, str]]:
    """Return what was run as (name, value): each value once, where runs differ all of them.

    The command is the one that made the runs; where another one wrote the page, both are told.
    """
    commands = dict.fromkeys(str(run.meta["command"]) for run in recordings if run.meta.get("command"))
    rows = [("command", "\n".join(commands) or command or "")]
    rows += [(key, _values(recordings, key)) for key in SHOWN]
    if commands and command and command not in commands:
        rows.append(("page_command", command))
    rows.append(("versions", _versions(recordings)))
    rows.append(("started", _span(recordings)))
    wall = [run.meta["wall_seconds"] for run in recordings if _is_number(run.meta.get("wall_seconds"))]
    rows.append(("wall_seconds", seconds(sum(wall)) if wall else ""))
    return [(heading(key, "fact"), value) for key, value in rows if value]


def overhead(recordings: list[Recording]) -> str:
    """Return the sentence on what recording cost, or an empty string where it was not measured."""
    pairs = [(run.meta.get("recorder_seconds"), run.meta.get("recorded_seconds")) for run in recordings]
    known = [(part, whole) for part, whole in pairs if _is_number(part) and _is_number(whole)]
    part, whole = (sum(column) for column in zip(*known, strict=True)) if known else (0.0, 0.0)
    if whole <= 0:
        return ""
    return text("method.overhead", recorder=seconds(part), recorded=seconds(whole), share=percent(part / whole))


def coverage(recordings: list[Recording]) -> pd.DataFrame:
    """Return the layers whose output gradient was never measured as such, and why: one row per (run, layer).

    Columns are run, layer, kind, status (the first recorded one), has_output_gradient (whether a value was recorded all
    the same, of a tensor that the layer shares with others).
    """
    columns = ["layer", "kind", "status", "out_grad_norm"]
    layers = stacked(recordings, [recording.layers[columns] for recording in recordings])
    place = pd.MultiIndex.from_arrays([pd.factorize(layers[name])[0] for name in ("run", "layer")])
    is_measured = (layers["status"] == MEASURED).to_numpy()
    uncommon = ~place.isin(place[is_measured])
    with_gradient = place[uncommon & layers["out_grad_norm"].notna().to_numpy()]
    first = uncommon & ~place.duplicated()
    found = layers.loc[first, ["run", "layer", "kind", "status"]]
    return found.assign(has_output_gradient=place[first].isin(with_gradient)).reset_index(drop=True)


def n_layers(recordings: Iterable[Recording]) -> int:
    """Return how many layers were recorded, over all runs."""
    return sum(recording.layers["layer"].nunique() for recording in recordings)


def seeds(recordings: list[Recording]) -> str:
    """Return how many seeds there are, or how many runs where they have none."""
    known = {recording.meta.get("seed") for recording in recordings} - {None}
    return count(len(known), "seeds") if known else count(len(recordings), "runs")


def _values(recordings: list[Recording], key: str) -> str:
    """Return the distinct values of a meta key in order of appearance, as text."""
    seen = [_written(key, run.meta) for run in recordings if run.meta.get(key) not in (None, "")]
    return ", ".join(dict.fromkeys(seen))


def _written(key: str, meta: Mapping[str, Any]) -> str:
    value = meta[key]
    if key == "loss":
        return loss_words(meta)
    if key == "scaled":
        return said(str(value))
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else word(str(value))


def _versions(recordings: list[Recording]) -> str:
    known = [run.meta.get("versions") for run in recordings]
    lines = [", ".join(f"{name} {number}" for name, number in one.items()) for one in known if isinstance(one, dict)]
    return "; ".join(dict.fromkeys(lines))


def _span(recordings: list[Recording]) -> str:
    """Return when the first run started, and the last one if on another minute."""
    starts = sorted(str(run.meta["started"]).replace("T", " ") for run in recordings if run.meta.get("started"))
    if not starts:
        return ""
    first, last = starts[0][:16], starts[-1][:16]
    return first if first == last else text("list.range", low=first, high=last)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)
