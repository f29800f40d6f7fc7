"""Recordings in, a folder out: one self-contained page, figures for print, tables.

The names are imported on first use: the process that draws beside a report needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradflow.reporting.live.notebook import InteractiveFigure, interactive_profile
    from gradflow.reporting.of_recordings import report

_HOME = {
    "InteractiveFigure": "gradflow.reporting.live.notebook",
    "interactive_profile": "gradflow.reporting.live.notebook",
    "report": "gradflow.reporting.of_recordings",
}

__all__ = ["InteractiveFigure", "interactive_profile", "report"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'gradflow.reporting' has no attribute {name!r}")
