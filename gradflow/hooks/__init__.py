"""From a live model to a Recording: utilities for research code, and the recorder built on them.

The names below are imported on first use: the utilities alone need no pandas, which takes longer than all else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradflow.hooks.attach import record
    from gradflow.hooks.failures import GradflowWarning
    from gradflow.hooks.gradients import on_output_gradients, on_parameter_gradients
    from gradflow.hooks.layers import LazyModelError, select_layers
    from gradflow.hooks.norms import l2_norm
    from gradflow.hooks.recorder import Recorder
    from gradflow.hooks.recorders import Recorders
    from gradflow.hooks.schedule import Every, First, LogSpaced
    from gradflow.hooks.training_findings import TrainingStoppedError

_HOME = {
    "Every": "gradflow.hooks.schedule",
    "First": "gradflow.hooks.schedule",
    "GradflowWarning": "gradflow.hooks.failures",
    "LazyModelError": "gradflow.hooks.layers",
    "LogSpaced": "gradflow.hooks.schedule",
    "Recorder": "gradflow.hooks.recorder",
    "Recorders": "gradflow.hooks.recorders",
    "TrainingStoppedError": "gradflow.hooks.training_findings",
    "l2_norm": "gradflow.hooks.norms",
    "on_output_gradients": "gradflow.hooks.gradients",
    "on_parameter_gradients": "gradflow.hooks.gradients",
    "record": "gradflow.hooks.attach",
    "select_layers": "gradflow.hooks.layers",
}

__all__ = [
    "Every",
    "First",
    "GradflowWarning",
    "LazyModelError",
    "LogSpaced",
    "Recorder",
    "Recorders",
    "TrainingStoppedError",
    "l2_norm",
    "on_output_gradients",
    "on_parameter_gradients",
    "record",
    "select_layers",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'gradflow.hooks' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
