"""Which line of source code makes each module of a model, as far as the classes that hold them tell."""

from __future__ import annotations

import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gradflow.hooks.source_lines import Line
from gradflow.text.controls import utf8

PYTORCH = str(Path(torch.__file__).parent)


def constructors(model: nn.Module) -> dict[str, dict[str, Any]]:
    """Return the line that makes each module, by its name: `file`, `line` and `code`.

    It is the line of the nearest class outside of PyTorch that holds the module, where the attribute that holds it is
    set. Modules without one, such as those of an `nn.Sequential` that a function makes, are left out.
    """
    found = {}
    modules = dict(model.named_modules())
    for name in modules:
        place = _place(name, modules)
        if place is not None:
            found[utf8(name)] = place.written()
    return found


def _place(name: str, modules: dict[str, nn.Module]) -> Line | None:
    parts = name.split(".") if name else []
    for held in range(len(parts) - 1, -1, -1):
        holder = modules.get(".".join(parts[:held]))
        if holder is not None:
            child = modules.get(".".join(parts[: held + 1]))
            place = _assignment(type(holder), parts[held], type(child).__name__)  # type: ignore[arg-type]  # it has a hash
            if place is not None:
                return place
    return None


@cache
def _assignment(kind: type, attribute: str, made: str) -> Line | None:
    """Return the line in which a class sets an attribute; None for PyTorch's own classes and without source.

    Of several, the first that names the class of what is made.
    """
    for one in kind.__mro__:
        try:
            file = inspect.getsourcefile(one)
            if file is None or file.startswith(PYTORCH):
                return None
            lines, first = inspect.getsourcelines(one)
        except (TypeError, OSError):  # a class of a notebook's cell, or one of Python's own
            return None
        wanted = re.compile(
            rf"self\.{re.escape(attribute)}\s*(:[^=]+)?=[^=]|add_module\(\s*[\"']{re.escape(attribute)}[\"']"
        )
        found = [(number, line) for number, line in enumerate(lines, first) if wanted.search(line)]
        if found:
            return Line(file, next((number for number, line in found if made in line), found[0][0]))
    return None
