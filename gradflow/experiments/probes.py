"""What probes find in a network before it is trained and once it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from gradflow.analysis.paths import path_probes
from gradflow.errors import GradflowError
from gradflow.experiments.data import Dataset, batches
from gradflow.experiments.planned_run import Run
from gradflow.probe.analyze import analyze_gradients, has_joins
from gradflow.probe.effective_paths import effective_paths
from gradflow.probe.gradient_agreement import shattering
from gradflow.recording import AS_IT_IS, NO_JOIN, Recording


class Probed(NamedTuple):
    """What was found: rows for `Recording(skips=..., probes=...)`, and by name of the probe why it found nothing."""

    skips: pd.DataFrame
    probes: pd.DataFrame
    failed: Mapping[str, str]


class _Case(NamedTuple):
    """What all probes look at."""

    run: Run
    untrained: Callable[[], nn.Module]
    trained: nn.Module
    images: Tensor
    labels: Tensor


class _Tables(NamedTuple):
    skips: pd.DataFrame
    probes: pd.DataFrame


def measure_probes(run: Run, data: Dataset, untrained: Callable[[], nn.Module], trained: nn.Module) -> Probed:
    """Return what the probes find that a run asks for, on the first batch of the run, without augmentation.

    "skips" is what the residual connections carry before the first update and after the last one, and before the first
    one also the gradient without what they send back (`gradflow.analyze_gradients`). "shattering" is the correlation of
    the gradients of the batch's inputs before the first update (`gradflow.probe.shattering`). "paths" is
    `gradflow.probe.effective_paths` of the trained network; the run's seed draws the paths. All look at the network in
    its own precision and in training mode, as its gradients were recorded, and leave it as it was found.

    A probe that cannot be measured costs its own numbers and none of the run's. `untrained` makes the network as it was
    before the first update.
    """
    measures: Mapping[str, Callable[[_Case], _Tables]] = {
        "skips": _skips,
        "shattering": _shattering,
        "paths": _paths,
    }
    order = batches(len(data.train_labels), run.recipe.batch_size, torch.Generator().manual_seed(run.seed))
    index = next(order).to(data.train_images.device)
    case = _Case(run, cache(untrained), trained.train(), data.train_images[index], data.train_labels[index])
    found, failed = [], {}
    for name in run.probes:
        try:
            found.append(measures[name](case))
        except (GradflowError, RuntimeError) as error:  # torch raises the latter, also where memory ends
            failed[name] = str(error).partition("\n")[0]
    return Probed(_joined(one.skips for one in found), _joined(one.probes for one in found), failed)


def _joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    found = [table for table in tables if len(table)]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def _skips(case: _Case) -> _Tables:
    untrained = case.untrained()
    if not has_joins(untrained, case.images):
        return _Tables(pd.DataFrame(), pd.DataFrame())
    before = analyze_gradients(untrained, case.images, case.labels).recording
    after = analyze_gradients(case.trained, case.images, case.labels, joins=NO_JOIN).recording
    skips = _joined([before.skips, after.skips.assign(step=case.run.steps)])
    return _Tables(skips, _joined([_as_it_is(before), before.probes]))


def _as_it_is(recording: Recording) -> pd.DataFrame:
    """Return the gradient at the output of every weighted layer, several calls of it as one vector."""
    layers = recording.layers[recording.layers["weighted"]]
    norms = layers.groupby("layer", sort=False)["out_grad_norm"].agg(np.hypot.reduce)
    depths = layers.drop_duplicates("layer")["layer_depth"].astype("float64").to_numpy()
    return pd.DataFrame({"probe": AS_IT_IS, "layer": norms.index, "x": depths, "value": norms.to_numpy()})


def _shattering(case: _Case) -> _Tables:
    return _Tables(pd.DataFrame(), shattering(case.untrained(), case.images, seed=case.run.seed))


def _paths(case: _Case) -> _Tables:
    found = effective_paths(case.trained, case.images, case.labels, seed=case.run.seed)
    return _Tables(pd.DataFrame(), path_probes(found))
