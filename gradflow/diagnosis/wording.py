"""From a finding's key and values to its sentence: a value's name says its unit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import cast

from gradflow.analysis.intervals import Interval
from gradflow.text import has, text
from gradflow.text.numbers import (
    count,
    factor,
    fold,
    number,
    percent,
    points,
    ratio,
    ratio_interval,
    share,
    times,
    with_interval,
)
from gradflow.text.words import named

Value = Interval | float | int | str

MANY = 10.0  # a share from here on may be a power of ten
# How a value reads, by its name; other floats read as `number`, integers and strings as they are.
_FORMS: Mapping[str, Callable[[float], str]] = {
    "train_error": percent,
    "shallow_error": percent,
    "residual_error": percent,
    "test_error": percent,
    "difference": points,
    "threshold_points": points,
    "factor": factor,
    "predicted": factor,
    **dict.fromkeys(("growth", "slowdown"), times),
    "early": lambda value: percent(value) if value < MANY else text("unit.percent", value=number(100 * value)),
    **dict.fromkeys(("path", "share", "kept", "left", "fraction", "dropped", "threshold_percent"), share),
    "threshold": "{:g}".format,
}
_NOUNS = frozenset(
    {"seeds", "runs", "layers", "steps", "parameters", "tensors"}
)  # integers of these names read as "3 seeds"
_NETWORKS = frozenset({"shallow", "residual"})  # strings that are labels of networks
_TEXT_VALUES: Mapping[str, str] = {"measure": "measure.", "when": "when."}  # strings that are keys of the catalogue


def change(key: str, values: Mapping[str, Value]) -> str:
    """Return what to change, by the numbers of a finding; empty where its remedies say it, or nothing is known."""
    if not has(f"change.{key}"):
        return ""
    return text(f"change.{key}", **{name: _written(name, value) for name, value in values.items()})


def sentence(key: str, label: str, values: Mapping[str, Value]) -> str:
    """Return the sentence of a finding of this key, about what the label names, with its numbers.

    Examples
    --------
    >>> sentence("shattering_not_measured", "these runs", {})
    'Whether gradients shatter was not measured in these runs.'
    """
    written = {name: _written(name, value) for name, value in values.items()}
    if "n_runs" in values:
        several = values["runs"] != 1
        written["in_runs"] = text("finding.in_runs", n=written["n_runs"], runs=written["runs"]) if several else ""
    if "steps" in values:
        written["over"] = text(
            "finding.over_one" if values["steps"] == 1 else "finding.over_all", steps=written["steps"]
        )
    if "when" in values:
        written["at"] = written["when"][:1].lower() + written["when"][1:]
    if "example" in values and "last" in values:
        example, last = written["example"], written["last"]
        written["span"] = example if example == last else text("finding.span", example=example, last=last)
    match values.get("decades"):
        case Interval() as found:
            written |= {"ratio": ratio(found.mean), "bounds": ratio_interval(found)}
        case float(found):
            written |= {"ratio": ratio(found), "bounds": ""}
    if "worst" in values:
        written |= _at_ends(values, written)
    said = text(f"finding.{key}", subject=named(label), **written)
    notes = [text(f"note.{name}", **written) for name in str(values.get("notes", "")).split()]
    return text("list.sentences").join([said, *notes])


def _at_ends(values: Mapping[str, Value], written: Mapping[str, str]) -> dict[str, str]:
    """Return the parts of a sentence on a gradient's two ends, each empty where there is nothing to say."""
    several = values.get("runs", 1) != 1
    parts = {
        "fold": fold(abs(cast("float", values["worst"]))),
        "up_to": text("finding.up_to") if several else "",
        "average": text("finding.average", **written) if several else "",
        "placed": "" if values["placed"] else text("finding.not_placed"),
        "within": _bound(values),
        "checked": text("finding.checked" if values.get("checked") else "finding.checked_gradient"),
        **{end: _place(end, values) for end in ("first", "last")},
    }
    if "factor" in values:
        named_kind, predicted = values.get("activation"), values.get("predicted")
        about = text("finding.activation", activation=named_kind) if named_kind else ""
        closed = text("finding.closed_form", predicted=written["predicted"]) if predicted else ""
        found = cast("Interval", values["factor"])
        size = factor(found.mean) if found.n == 1 else written["factor"]
        if "layers" in values:
            how = text("finding.per_layer", layers=written["layers"], factor=size, about=about, closed=closed)
        else:
            how = text("finding.per_call", factor=size, layer=written["first"])
    elif "before" in values:
        ends = {end: _place(end, values) for end in ("before", "behind")}
        how = text("finding.lost_between", lost=ratio(cast("float", values["lost_decades"])), **ends)
    else:
        how = ""
    return {**parts, "how": how}


def _place(end: str, values: Mapping[str, Value]) -> str:
    """Return a layer's name, with the number of its call where the values hold one."""
    layer, call = values[end], values.get(f"{end}_call")
    return text("finding.layer", layer=layer) if call is None else text("finding.call", layer=layer, call=call)


def _bound(values: Mapping[str, Value]) -> str:
    """Return within how many times the ends lie; empty where they do not, as before training where that is usual."""
    threshold = cast("float", values["threshold"])
    if abs(cast("float", values["worst"])) > threshold:
        return ""
    return text("finding.within" if _is_within(values) else "finding.within_each", limit=fold(threshold))


def _is_within(values: Mapping[str, Value]) -> bool:
    """Whether the decades' interval, bounds included, lies within the threshold."""
    found, threshold = cast("Interval", values["decades"]), cast("float", values["threshold"])
    return all(math.isnan(bound) or abs(bound) <= threshold for bound in found[:3])


def _written(name: str, value: Value) -> str:
    form = _FORMS.get(name, number)
    if isinstance(value, Interval):
        return with_interval(value, form)
    if isinstance(value, str):
        if name in _TEXT_VALUES:
            return text(f"{_TEXT_VALUES[name]}{value}")
        return named(value) if name in _NETWORKS else value
    if name in _NOUNS:
        return count(int(value), name)
    return form(value) if isinstance(value, float) else str(value)
