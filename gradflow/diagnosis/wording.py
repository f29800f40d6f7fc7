"""From a finding's key and values to its sentence: a value's name says its unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gradflow.analysis.intervals import Interval
from gradflow.text import DEFAULT_LANGUAGE, text
from gradflow.text.numbers import count, decades, factor, number, percent, points, times, with_interval

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
_NOUNS = frozenset({"seeds", "runs", "layers", "steps"})  # integers of these names read as "3 seeds"
_TEXT_VALUES: Mapping[str, str] = {"measure": "measure.", "when": "when."}  # strings that are keys of the catalogue


def sentence(key: str, label: str, values: Mapping[str, Value], lang: str = DEFAULT_LANGUAGE) -> str:
    """Return the sentence of a finding.

    Parameters
    ----------
    key : str
        The finding's key.
    label : str
        What it is about.
    values : mapping
        Its numbers.
    lang : str
        Language of the catalogue.

    Examples
    --------
    >>> sentence("shattering_not_measured", "these runs", {})
    'Shattering of the gradient was not measured in these runs, so nothing is said about it.'
    """
    return text(
        f"finding.{key}",
        lang,
        subject=label,
        **{name: _written(name, value, lang) for name, value in values.items()},
    )


def _written(name: str, value: Value, lang: str) -> str:
    form = _FORMS.get(name, number)
    if isinstance(value, Interval):
        return with_interval(value, form, lang)
    if isinstance(value, str):
        return text(f"{_TEXT_VALUES[name]}{value}", lang) if name in _TEXT_VALUES else value
    if name in _NOUNS:
        return count(int(value), name, lang)
    return form(value) if isinstance(value, float) else str(value)
