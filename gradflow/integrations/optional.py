"""Libraries that are optional: what is said where one is missing or too old."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from types import ModuleType

from gradflow.recording import GradflowError


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
        raise MissingLibraryError(f"{name} is not installed; pip install 'gradflow-torch[{extra}]'.") from None
    if least and _numbers(version(name)) < _numbers(least):
        raise MissingLibraryError(
            f"{name} {version(name)} is too old, {least} or newer is needed; pip install -U 'gradflow-torch[{extra}]'."
        )
    return found


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in release.split(".")[:3])
