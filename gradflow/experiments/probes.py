"""What probes find in a network once it is trained."""

from __future__ import annotations

import pandas as pd
import torch
from torch import nn

from gradflow.analysis.paths import path_probes
from gradflow.experiments.data import Dataset, batches
from gradflow.experiments.runs import Run
from gradflow.probe.paths import effective_paths


def measure_probes(run: Run, model: nn.Module, data: Dataset) -> pd.DataFrame:
    """Return the rows of the probes that a run asks for, as `Recording(probes=...)` takes them.

    "paths" is `gradflow.probe.paths.effective_paths` of the first batch of the run, in training mode as its
    gradients were recorded; the run's seed draws the paths. The model is left as it was found.
    """
    if "paths" not in run.probes:
        return pd.DataFrame()
    order = batches(len(data.train_labels), run.recipe.batch_size, torch.Generator().manual_seed(run.seed))
    index = next(order).to(data.train_images.device)
    model.train()
    return path_probes(effective_paths(model, data.train_images[index], data.train_labels[index], seed=run.seed))
