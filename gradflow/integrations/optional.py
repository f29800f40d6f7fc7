"""Libraries that are optional: what is said where one is missing or too old."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from types import ModuleType

from gradflow.errors import GradflowError
from gradflow.text import text


class MissingLibraryError(GradflowError, ImportError):
    """An optional library that is not installed, or too old; the message says how to install it."""


def library(module: str, *, extra: str, least: str = "", distribution: str = "") -> ModuleType:
    """Return an imported module of an optional library, at least of that version, which gradflow's extra installs.

    `distribution` is its name on the package index, where that is another than the module's. Raises MissingLibraryError
    where it is not installed, or older.

    Examples
    --------
    >>> try:
    ...     library("no_such", extra="lightning")
    ... except ImportError as error:
    ...     print(error)
    no_such is not installed; pip install 'gradflow-torch[lightning]'.
    """
    name = distribution or module.partition(".")[0]
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingLibraryError(text("error.library.missing", name=name, extra=extra)) from None
    if least and _numbers(version(name)) < _numbers(least):
        line = text("error.library.old", name=name, version=version(name), least=least, extra=extra)
        raise MissingLibraryError(line)
    return found


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in release.split(".")[:3])
