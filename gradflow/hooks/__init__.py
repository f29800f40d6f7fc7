"""From a live model to a Recording: utilities for research code, and the recorder built on them."""

from gradflow.hooks.attach import record
from gradflow.hooks.failures import GradflowWarning
from gradflow.hooks.gradients import on_output_gradients, on_parameter_gradients
from gradflow.hooks.layers import LazyModelError, select_layers
from gradflow.hooks.norms import l2_norm
from gradflow.hooks.recorder import Recorder
from gradflow.hooks.recorders import Recorders
from gradflow.hooks.schedule import Every, First, LogSpaced
from gradflow.hooks.training_findings import TrainingStoppedError

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
