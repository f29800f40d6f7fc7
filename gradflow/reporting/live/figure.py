"""One live figure: what is drawn, of which rows, and what a reader may choose.

The drawing is a Vega-Lite specification. Vega-Lite was chosen by size and by form: vega, vega-lite and vega-embed in
one script are 0.9 MB, bokeh 1.3 MB and plotly 4.8 MB, which is all that a default page may have
(benchmarks/README.md); and a specification is data, so that a page holds one script that is the same in every report
and no code made from names that a stranger chose.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gradflow.text.controls import UNSEEN

Spec = dict[str, Any]

DIGITS = 4  # significant ones of the numbers in a page; the tables beside it hold all
ALL = ""  # the option that leaves no row out
# What ends a script element or starts a comment in it, and what JavaScript once took for line ends.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}) | UNSEEN


class Option(NamedTuple):
    """One choice: the value that a column must have, how it is called, and what else changes with it.

    That is the signals that it sets, a note on what is then drawn, and the file for print that shows the same.
    """

    value: str
    label: str
    signals: Mapping[str, Any] = {}
    note: str = ""
    file: str = ""


class Control(NamedTuple):
    """A list to choose from: only rows whose `column` has the chosen value are drawn."""

    column: str
    label: str
    options: tuple[Option, ...]
    kind: str = "select"


class Scale(NamedTuple):
    """The signals to set where every named column has the value that a reader has chosen of it."""

    when: Mapping[str, str]
    signals: Mapping[str, Any]


class Pick(NamedTuple):
    """A slider over the values of `column` among the rows drawn: it and the pointer set the signal of its name."""

    column: str
    label: str
    start: float | None = None
    kind: str = "pick"


class Live(NamedTuple):
    """A figure that a reader can question.

    `wide` and `narrow` are Vega-Lite specifications without data; the rows come by the name "rows".
    """

    name: str
    wide: Spec
    narrow: Spec
    rows: pd.DataFrame
    controls: tuple[Control | Pick, ...] = ()
    note: str = ""
    scales: tuple[Scale, ...] = ()

    @property
    def has_notes(self) -> bool:
        """Whether a choice changes what is said of the figure."""
        return any(option.note for one in self.controls if isinstance(one, Control) for option in one.options)

    def payload(self) -> str:
        """Return all of it as JSON that may stand in a script element, whatever the names in it are."""
        controls = [{"kind": one.kind, "column": one.column, "options": _answers(one)} for one in self.controls]
        scales = [{"when": dict(one.when), "signals": dict(one.signals)} for one in self.scales]
        value = {"wide": self.wide, "narrow": self.narrow, "columns": columns(self.rows), "controls": controls}
        value |= {"scales": scales} if scales else {}
        return script_safe(value)


def script_safe(value: Any) -> str:
    r"""Return a value as JSON for a script element.

    Examples
    --------
    >>> script_safe({"layer": "</script>"})
    '{"layer":"\\u003c/script\\u003e"}'
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


def columns(frame: pd.DataFrame) -> dict[str, Any]:
    """Return a frame as lists, one a column: words by number, long repeats as (value, how many)."""
    return {str(name): _column(frame[name]) for name in frame.columns}


def select(column: str, label: str, options: Sequence[Option]) -> tuple[Control, ...]:
    """Return the control, or nothing where there is nothing to choose."""
    return (Control(column, label, tuple(options)),) if len(options) > 1 else ()


def _answers(control: Control | Pick) -> dict[str, Mapping[str, Any]]:
    """Return what each option changes besides the rows."""
    if isinstance(control, Pick):
        return {}
    every = {
        option.value: {
            "signals": dict(option.signals),
            "note": option.note.replace(" %", "\u00a0%"),
            "file": option.file,
        }
        for option in control.options
    }
    changes = {value: {name: one for name, one in answer.items() if one} for value, answer in every.items()}
    return {value: answer for value, answer in changes.items() if answer}


def _column(values: pd.Series[Any]) -> Any:
    if pd.api.types.is_bool_dtype(values.dtype):
        return _repeats(values.astype(int).to_numpy())
    if pd.api.types.is_integer_dtype(values.dtype) and not values.hasnans:
        return _repeats(values.to_numpy(dtype=np.int64))
    if values.isna().all():
        return {"repeats": [None, len(values)]}
    if pd.api.types.is_numeric_dtype(values.dtype):
        return [_rounded(value) for value in values.to_numpy(dtype=np.float64, na_value=np.nan).tolist()]
    codes, words = pd.factorize(values)
    return {"words": [str(word) for word in words], "codes": _repeats(codes.astype(np.int64))}


def _repeats(values: np.ndarray[Any, Any]) -> Any:
    """Return whole numbers as they are, or as (value, how many) where that is shorter."""
    starts = np.flatnonzero(np.diff(values, prepend=values[:1] - 1)) if len(values) else np.array([], dtype=np.int64)
    if 2 * len(starts) >= len(values):
        return values.tolist()
    counts = np.diff(starts, append=len(values))
    return {"repeats": np.stack([values[starts], counts], axis=1).ravel().tolist()}


def _rounded(value: float) -> float | int | None:
    """Return a number to `DIGITS` significant digits; JSON has no NaN and no infinity."""
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS - 1}e}")
    return int(short) if short.is_integer() and abs(short) < 1e6 else short
