"""gradflow where people train: a callback for each trainer, a sink for each tracker.

Callbacks are `gradflow.integrations.lightning.GradientFlow` and its like. Each optional library is imported in its own
file alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradflow.integrations.csv_file import CSV
    from gradflow.integrations.mlflow import MLflow
    from gradflow.integrations.tensorboard import TensorBoard
    from gradflow.integrations.trackers import Tracker
    from gradflow.integrations.wandb import WandB

_HOME = {"CSV": "csv_file", "MLflow": "mlflow", "TensorBoard": "tensorboard", "Tracker": "trackers", "WandB": "wandb"}
_TRAINERS = ("fastai", "ignite", "lightning", "skorch", "transformers")

__all__ = ["CSV", "MLflow", "TensorBoard", "Tracker", "WandB"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"gradflow.integrations.{_HOME[name]}"), name)
    if name in _TRAINERS:
        return import_module(f"gradflow.integrations.{name}")
    raise AttributeError(f"module 'gradflow.integrations' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_TRAINERS])
