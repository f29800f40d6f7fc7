"""Gradient-flow analysis for PyTorch: record a model's gradients, read what they say.

The names below are the public ones. They are imported on first use, so that a report can be made on a machine
without torch and `gradflow --help` answers at once.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradflow import analysis, diagnosis, experiments, hooks, models, plots, probe, reporting, storage, theory
    from gradflow.diagnosis import diagnose
    from gradflow.diagnosis.baseline import check
    from gradflow.experiments import compare
    from gradflow.hooks import Recorder, TrainingStoppedError, record
    from gradflow.probe import Analysis, analyze_gradients
    from gradflow.probe.doctor import Checkup, doctor
    from gradflow.probe.forecast import Forecast, forecast
    from gradflow.recording import Recording
    from gradflow.reporting import report
    from gradflow.storage import load, save

_HOME = {
    "Analysis": "gradflow.probe",
    "Checkup": "gradflow.probe.doctor",
    "Forecast": "gradflow.probe.forecast",
    "Recorder": "gradflow.hooks",
    "Recording": "gradflow.recording",
    "TrainingStoppedError": "gradflow.hooks",
    "analyze_gradients": "gradflow.probe",
    "check": "gradflow.diagnosis.baseline",
    "compare": "gradflow.experiments",
    "diagnose": "gradflow.diagnosis",
    "doctor": "gradflow.probe.doctor",
    "forecast": "gradflow.probe.forecast",
    "load": "gradflow.storage",
    "record": "gradflow.hooks",
    "report": "gradflow.reporting",
    "save": "gradflow.storage",
}
__all__ = [
    "Analysis",
    "Checkup",
    "Forecast",
    "Recorder",
    "Recording",
    "TrainingStoppedError",
    "analysis",
    "analyze_gradients",
    "check",
    "compare",
    "diagnose",
    "diagnosis",
    "doctor",
    "experiments",
    "forecast",
    "hooks",
    "load",
    "models",
    "plots",
    "probe",
    "record",
    "report",
    "reporting",
    "save",
    "storage",
    "theory",
]


def _warn_of_namesake() -> None:
    """Warn of the unrelated distribution `gradflow`, which installs modules into the same folder as this one."""
    found = next((place for entry in sys.path for place in Path(entry).glob("gradflow-*.dist-info")), None)
    if found is not None:
        warnings.warn(
            f"an unrelated package called gradflow is installed ({found.name[9:-10]}), and its files may be mixed with "
            "these: pip uninstall gradflow gradflow-torch, then install gradflow-torch again.",
            stacklevel=3,
        )


_warn_of_namesake()


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in __all__:  # a room
        return import_module(f"gradflow.{name}")
    raise AttributeError(f"module 'gradflow' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
