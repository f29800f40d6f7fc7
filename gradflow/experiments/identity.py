"""What a run's numbers depend on: its settings, the data themselves, and the versions that compute."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import torch

from gradflow.experiments.data import load_data
from gradflow.experiments.planned_run import Run
from gradflow.hooks.environment import installed_version


def identity(run: Run) -> dict[str, Any]:
    """Return all that a state of the run's training depends on, as JSON values; loads the data."""
    return {
        "run": run.to_json(),
        "data": data_digest(run.data),
        "torch": torch.__version__,
        "gradflow": installed_version("gradflow-torch"),
    }


@cache
def data_digest(spec: str) -> str:
    """Return a digest of a data set's images, labels and split: a folder's content may change under its name.

    Examples
    --------
    >>> data_digest("digits") == data_digest("digits")
    True
    """
    data = load_data(spec)
    digest = hashlib.sha256()
    for part in (data.train_images, data.train_labels, data.test_images, data.test_labels):
        digest.update(f"{part.dtype} {tuple(part.shape)} ".encode())
        digest.update(part.contiguous().numpy().data)
    return digest.hexdigest()[:16]
