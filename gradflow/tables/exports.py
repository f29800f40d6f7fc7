"""Rows as data: JSON that any language reads, and CSV; NaN and missing values are null or empty, infinities words."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from gradflow.text.controls import is_shown, printable, spreadsheet_text


def as_json(document: Any) -> str:
    """Return a document as JSON."""
    written = json.dumps(json_value(document), indent=1, ensure_ascii=False, allow_nan=False)
    return "".join(one if one == "\n" or is_shown(one) else json.dumps(one)[1:-1] for one in written)


def as_csv(rows: Sequence[Mapping[Any, Any]]) -> str:
    """Return rows as CSV, with all names that any of them has; lists are JSON in a cell."""
    stream = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writerow({name: spreadsheet_text(printable(name)) for name in names})
    writer.writerows({name: _in_csv(json_value(value)) for name, value in row.items()} for row in rows)
    return stream.getvalue().removesuffix("\n")


def json_value(value: Any) -> Any:
    """Return a value that JSON holds: NaN and <NA> become None, infinities words."""
    if isinstance(value, Mapping):
        return {str(name): json_value(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(inner) for inner in value]
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _in_csv(value: Any) -> Any:
    """Return lists as JSON, text without control characters, and nothing for None."""
    if isinstance(value, list | dict):
        return json.dumps(value)
    return spreadsheet_text(printable(value)) if isinstance(value, str) else "" if value is None else value
