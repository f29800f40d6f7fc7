"""Activations that no longer pass anything on: units that are off for every example, or at the ends of their range."""

from __future__ import annotations

import numpy as np

from gradflow.analysis.numbered_rows import numbered_layers
from gradflow.diagnosis.each_run import Found, over_runs, problem_if
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.learning import is_before_training, is_stuck, may_harm
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

FIGURE = "layers"
# A fresh ReLU layer is off for half of its inputs, a trained one for up to nine in ten; sigmoid and tanh units are at
# an end for next to none.
OFF, AT_END = 0.97, 0.8
REMEDIES = ("remedy.normalise_inputs", "remedy.init", "remedy.lower_lr", "remedy.other_activation")


def find(cases: list[Case]) -> list[Finding]:
    """Return a finding for each case with a layer whose units are off, and one for each with saturated ones."""
    off = over_runs(cases, lambda run: _found(run, "act_zero_fraction", "units_off", OFF), FIGURE)
    return off + over_runs(cases, lambda run: _found(run, "act_saturation", "units_saturated", AT_END), FIGURE)


def _found(recording: Recording, column: str, key: str, threshold: float) -> Found | None:
    share = recording.layers[column].to_numpy()
    rows = np.flatnonzero(recording.layers["in_grad"].to_numpy() & ~np.isnan(share))
    if not len(rows) or not may_harm(recording):
        return None
    steps, index = np.unique(recording.layers["step"].to_numpy()[rows], return_inverse=True)
    of_layer, layers = numbered_layers(recording)
    cells = index * len(layers) + of_layer[rows]
    n_cells = len(steps) * len(layers)
    with np.errstate(invalid="ignore"):  # of a layer without a share at a step
        means = np.bincount(cells, share[rows], n_cells) / np.bincount(cells, minlength=n_cells)
    shares = means.reshape(len(steps), len(layers))
    beyond = np.flatnonzero((shares[[0, -1]] >= threshold).any(axis=0))
    if not len(beyond):
        return None
    order = np.full(len(layers), np.inf)
    np.fmin.at(order, of_layer[rows], recording.layers["order"].to_numpy()[rows])
    first = beyond[order[beyond].argmin()]
    own = shares[:, first]
    values: dict[str, Value] = {
        "layer": layers[first][0], "layers": len(beyond), "fraction": float(np.nanmax(own)),
        "step": int(steps[np.argmax(own >= threshold)]), "threshold_percent": threshold,
    }  # fmt: skip
    is_from_start = values["step"] == 0  # before any update, so that the learning rate is not why
    severity = problem_if(is_stuck(recording) or is_before_training(recording) or not is_from_start)
    remedies = tuple(one for one in REMEDIES if not (is_from_start and one == "remedy.lower_lr"))
    return Found(key, severity, values, f"cause.{key}", remedies)
