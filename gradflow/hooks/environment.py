"""What a recording says of the model, the machine and the versions."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from torch import nn

from gradflow.text.controls import utf8

_MAX_CLASSES = 100  # of modules that are counted


def describe(model: nn.Module, parameters: list[nn.Parameter]) -> dict[str, Any]:
    """Return what a report needs to know of the model and its surroundings."""
    return {
        "model": type(model).__name__,
        "modules": _counted(module for module in model.modules() if not any(module.children())),
        "blocks": _repeated(model),
        "parameters": sum(parameter.numel() for parameter in parameters),
        "device": str(parameters[0].device),
        "device_name": device_name(parameters[0].device),
        "dtype": str(parameters[0].dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def _counted(modules: Iterable[nn.Module]) -> dict[str, int]:
    """Return how many modules there are of each class; a recurrent one counts as its layers."""
    found: Counter[str] = Counter()
    for module in modules:
        found[utf8(type(module).__name__)] += module.num_layers if isinstance(module, nn.RNNBase) else 1
    return dict(found.most_common(_MAX_CLASSES))


def _repeated(model: nn.Module) -> dict[str, int]:
    """Return the classes that hold other modules and occur more than once, without PyTorch's own containers."""
    holders = (module for module in model.modules() if module is not model and any(module.children()))
    found = _counted(module for module in holders if not type(module).__module__.startswith("torch.nn.modules.cont"))
    return {name: n for name, n in found.items() if n > 1}


def versions() -> dict[str, str]:
    """Return what numbers can depend on besides the machine."""
    own = installed_version("gradflow-torch")
    return {
        "gradflow": own,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def device_name(device: torch.device) -> str:
    """Return the processor's name, for the record."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


@cache
def installed_version(distribution: str) -> str:
    """Return a package's version, for the record; it is looked up once, as thousands of runs are named by it."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
