"""An operation between the last layer and the loss that the loss does not expect: softmax, sigmoid or ReLU."""

from __future__ import annotations

import math
from collections.abc import Mapping

from gradflow.diagnosis.beginning import BINARY, CROSS_ENTROPY, beginning, operations
from gradflow.diagnosis.each_run import Found, each_run, problem_if
from gradflow.diagnosis.learning import is_before_training, is_unfitted
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

LOSSES = {CROSS_ENTROPY: "cross_entropy", "NllLoss2D": "cross_entropy", BINARY: "binary_cross_entropy_with_logits"}
RANGES = {
    "Softmax": (0.0, 1.0), "Sigmoid": (0.0, 1.0), "Relu": (0.0, math.inf), "Tanh": (-1.0, 1.0),
    "LogSoftmax": (-math.inf, 0.0),
}  # fmt: skip
SQUASHES = tuple(RANGES)
MARGIN = 0.05  # by which targets may lie outside of what an output reaches: augmentation and rounding do that
REMEDIES = ("remedy.logits",)
# Losses of values, whose targets a squashed output may never reach; a ReLU fits those that are never negative.
OF_VALUES = frozenset({"MseLoss", "L1Loss", "SmoothL1Loss", "HuberLoss"})


def _unreachable(recording: Recording, activation: str) -> Found | None:
    """Return a problem where targets that are known lie where the activation gives nothing."""
    targets = recording.meta.get("targets")
    low, high = RANGES[activation]
    if not isinstance(targets, Mapping):
        return None
    least, most = (targets.get(name) for name in ("min", "max"))
    if not isinstance(least, int | float) or not isinstance(most, int | float):
        return None
    if least >= low - MARGIN and most <= high + MARGIN:
        return None
    values: dict[str, Value] = {"activation": activation.lower(), "low": float(least), "high": float(most)}
    return Found("targets_unreachable", "problem", values, "", ("remedy.linear_output",))


@each_run("training")
def find(recording: Recording) -> Found | None:
    """Return a problem where the loss takes logits and gets something else.

    Before a loss of values it is a problem where the network does not learn: the targets are not recorded.
    """
    names, first = operations(recording), beginning(recording)
    if not names:
        return None
    if first is not None and len(first.outputs) == 1 and first.outputs[0].width == 1 and "Softmax" in names[1:3]:
        return Found("softmax_of_one", "problem", {}, remedies=REMEDIES)
    if names[0] in LOSSES:
        behind = names[2:3] if names[1:2] == ("LogSoftmax",) else names[1:2] if names[0] == BINARY else ()
        if behind and behind[0] in SQUASHES:
            values = {"activation": behind[0].lower(), "loss_name": LOSSES[names[0]]}
            values["own"] = "sigmoid" if names[0] == BINARY else "softmax"
            return Found("squashed_logits", "problem", values, "cause.squashed_logits", REMEDIES)
        return None
    if names[0] in OF_VALUES and names[1:2] and names[1] in SQUASHES:
        if is_before_training(recording):
            return _unreachable(recording, names[1])
        severity = problem_if(is_unfitted(recording))
        return Found("squashed_values", severity, {"activation": names[1].lower()}, "", ("remedy.linear_output",))
    return None
