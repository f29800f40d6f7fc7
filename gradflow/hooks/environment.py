"""What a recording says of the model, the machine and the versions."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from torch import nn


def describe(model: nn.Module, parameters: list[nn.Parameter]) -> dict[str, Any]:
    """Return what a report needs to know of the model and its surroundings."""
    return {
        "model": type(model).__name__,
        "parameters": sum(parameter.numel() for parameter in parameters),
        "device": str(parameters[0].device),
        "device_name": device_name(parameters[0].device),
        "dtype": str(parameters[0].dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


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
