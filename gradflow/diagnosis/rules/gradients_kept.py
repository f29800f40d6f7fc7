"""Gradients that are not cleared between steps: they hold the sum of all steps so far."""

from __future__ import annotations

import numpy as np

from gradflow.analysis.numbered_rows import between
from gradflow.diagnosis.each_run import Found, each_run
from gradflow.diagnosis.learning import is_unfitted
from gradflow.diagnosis.movement import FIRST_STEPS, median, movement
from gradflow.diagnosis.rules.learning_rate import HIGH
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

# What arrives at an output is of one step alone, and beside it the gradient of the parameters of healthy runs grows
# with the layer's inputs. A sum of n steps that are alike grows n-fold, from the first step on; one of steps that are
# less so grows more slowly, and hardly ever falls, where the ratio of healthy networks falls as often as it grows.
GROWTH = 2.0
AT_ONCE = (1.3, 1.6, 1.8)  # after one, two and three steps more
STEADY, MAX_FALLS = 8, 1  # steps on which it may fall, of so many or more
LAST = 9  # steps, counted from 0
MIN_STEPS = 4
REMEDIES = ("remedy.zero_grad",)


@each_run("updates")
def find(recording: Recording) -> Found | None:
    """Return a problem where the parameters' gradients outgrow what arrives at the outputs."""
    if not is_unfitted(recording):
        return None
    rows = between(recording.layers, 0, LAST)
    gradient, output = rows["grad_norm"].to_numpy(), rows["out_grad_norm"].to_numpy()
    is_used = rows["in_grad"].to_numpy() & (rows["call"].to_numpy() == 0) & rows["weighted"].to_numpy()
    kept = np.flatnonzero(is_used & (gradient > 0) & (output > 0))
    steps, index = np.unique(rows["step"].to_numpy()[kept], return_inverse=True)
    if len(steps) < MIN_STEPS or steps[0] != 0 or steps[-1] < FIRST_STEPS - 1:
        return None
    layer, names = rows["layer"].iloc[kept].factorize()
    summed = np.zeros((2, len(steps), len(names)))
    np.add.at(summed[0], (index, layer), gradient[kept] / output[kept])
    np.add.at(summed[1], (index, layer), 1)
    with np.errstate(invalid="ignore"):  # of a layer without a gradient at a step
        ratios = summed[0] / summed[1]
    late = steps >= FIRST_STEPS - 1
    growth = np.array([median(one) for one in ratios[late].T]) / ratios[0]
    early = [median(ratios[steps == step][0] / ratios[0]) for step in (1, 2, 3) if step in steps]
    changes = np.diff([median(one) for one in ratios / ratios[0]])
    is_steady = len(changes) >= STEADY and (changes <= 0).sum() <= MAX_FALLS
    moved = movement(recording)
    if moved is not None and max(moved.first, moved.early) > HIGH:
        return None  # the activations themselves grow from step to step
    grows_at_once = len(early) == len(AT_ONCE) and (np.array(early) > AT_ONCE).all()
    if not median(growth) > GROWTH or not (grows_at_once or is_steady):
        return None
    values: dict[str, Value] = {"layer": str(names[-1]), "growth": float(growth[-1]), "steps": int(steps[-1]) + 1}
    return Found("gradients_kept", "problem", values, "", REMEDIES)
