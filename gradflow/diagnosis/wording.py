"""From a finding's key and values to its sentence: a value's name says its unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gradflow.analysis.intervals import Interval
from gradflow.text import text
from gradflow.text.numbers import count, decades, factor, number, percent, points, times, with_interval
from gradflow.text.words import named

Value = Interval | float | int | str

# How a value reads, by its name; other floats read as `number`, integers and strings as they are.
_FORMS: Mapping[str, Callable[[float], str]] = {
    "train_error": percent,
    "shallow_error": percent,
    "residual_error": percent,
    "test_error": percent,
    "difference": points,
    "threshold_points": points,
    "decades": decades,
    "first_decades": decades,
    "last_decades": decades,
    "factor": factor,
    "growth": times,
}
_NOUNS = frozenset(
    {"seeds", "runs", "layers", "steps", "parameters", "tensors"}
)  # integers of these names read as "3 seeds"
_NETWORKS = frozenset({"shallow", "residual"})  # strings that are labels of networks
_TEXT_VALUES: Mapping[str, str] = {"measure": "measure.", "when": "when."}  # strings that are keys of the catalogue


def sentence(key: str, label: str, values: Mapping[str, Value]) -> str:
    """Return the sentence of a finding.

    Parameters
    ----------
    key : str
        The finding's key.
    label : str
        What it is about.
    values : mapping
        Its numbers.

    Examples
    --------
    >>> sentence("shattering_not_measured", "these runs", {})
    'Shattering of the gradient was not measured in these runs, so nothing is said about it.'
    """
    written = {name: _written(name, value) for name, value in values.items()}
    if "n_runs" in values:
        several = values["runs"] != 1
        written["in_runs"] = text("finding.in_runs", n=written["n_runs"], runs=written["runs"]) if several else ""
    if "steps" in values:
        written["over"] = text(
            "finding.over_one" if values["steps"] == 1 else "finding.over_all", steps=written["steps"]
        )
    said = text(f"finding.{key}", subject=named(label), **written)
    notes = [text(f"note.{name}", **written) for name in str(values.get("notes", "")).split()]
    return text("list.sentences").join([said, *notes])


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
