"""Inputs that are far from what initialisations assume: mean about zero, spread about one."""

from __future__ import annotations

import math
from collections.abc import Mapping

from gradflow.diagnosis.beginning import beginning
from gradflow.diagnosis.each_run import Found, each_run, problem_if
from gradflow.diagnosis.finding import Severity
from gradflow.diagnosis.learning import may_harm
from gradflow.diagnosis.rules.outputs import begins_large
from gradflow.recording import Recording

# Initialisations keep the size of what comes in: inputs ten times too large make outputs, and a squared loss's
# gradients a hundredfold. Bytes of images have an rms of about 130, standardised data 1, images in [0, 1] about 0.5.
LARGE, SMALL = 8.0, 0.05
REMEDIES = ("remedy.normalise_inputs",)


@each_run("training")
def find(recording: Recording) -> Found | None:
    """Return a finding where the first batch holds NaN, or values far too large or too small."""
    first = beginning(recording)
    if first is None or not first.inputs:
        return None
    bad = next((one for one in first.inputs if one.nonfinite > 0), None)
    if bad is not None:
        return Found("inputs_nonfinite", "problem", {"entries": bad.nonfinite, "n_entries": bad.n})
    worst = max(first.inputs, key=lambda one: abs(math.log(one.rms)) if 0 < one.rms < math.inf else 0.0)
    if SMALL <= worst.rms <= LARGE or not 0 < worst.rms < math.inf or _is_scaled_inside(recording):
        return None
    return Found("inputs_unscaled", _severity(recording), {
        "rms": worst.rms, "mean": worst.mean, "low": worst.min, "high": worst.max, "n_examples": worst.examples,
        "threshold": LARGE if worst.rms > LARGE else SMALL,
    }, "cause.inputs_unscaled", REMEDIES)  # fmt: skip


def _is_scaled_inside(recording: Recording) -> bool:
    """Whether it was seen that no layer gets the inputs as they are, or only layers that a norm follows."""
    entrances = recording.meta.get("entrances")
    if not isinstance(entrances, list):
        return False
    return not any(
        isinstance(one, Mapping) and isinstance(rms := one.get("rms"), int | float) and not SMALL <= rms <= LARGE
        for one in entrances
    )


def _severity(recording: Recording) -> Severity:
    """Return how grave it is: normalisation behind the first layer takes it away, and then the network learns.

    A loss that falls from a start far above a constant answer's says nothing of that.
    """
    return problem_if(may_harm(recording) or begins_large(recording))
