"""Where in the source code a finding is to be mended: the line that a rule names, else the one that makes a layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording
from gradflow.text.controls import printable

NAMING = ("layer", "example", "first", "user")  # values that name layers, that to be changed first


def place(row: Mapping[Any, Any]) -> dict[str, Value]:
    """Return a line of code as values of a finding: file, line and code; empty where it is not known."""
    file, line, code = (row.get(name) for name in ("file", "line", "code"))
    if not isinstance(file, str) or not file or type(line) is not int or line < 1:
        return {}
    return {"file": file, "line": line, "code": code if isinstance(code, str) else ""}


def placed(finding: Finding, recordings: Iterable[Recording]) -> Finding:
    """Return a finding with the line that makes the layer it names, where a recording has it and no rule named one."""
    if "file" in finding.values:
        return finding
    for recording in recordings:
        known = recording.meta.get("constructors")
        if isinstance(known, Mapping):
            for name in _names(finding):
                if isinstance(row := known.get(name), Mapping) and (found := place(row)):
                    return replace(finding, values={**finding.values, **found})
    return finding


def line_of(finding: Finding) -> str:
    """Return the line to change as text, empty where it is not known."""
    values = finding.values
    return printable(f"{values['file']}:{values['line']}  {values['code']}".rstrip()) if "file" in values else ""


def _names(finding: Finding) -> Iterable[str]:
    """Yield the names of layers that a finding holds; of a parameter, that of its layer."""
    for key in NAMING:
        value = finding.values.get(key)
        if isinstance(value, str):
            first = value.split(", ")[0]
            yield from (first, first.rpartition(".")[0])
