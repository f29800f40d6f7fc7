"""Outputs of the first batch that are far too large, far from the targets, or alike for all examples."""

from __future__ import annotations

import math

from gradflow.diagnosis.beginning import CROSS_ENTROPY, SQUARED, Tensor, beginning, first_loss, operations
from gradflow.diagnosis.each_run import Found, over_runs, problem_if
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.fresh_weights import is_fresh
from gradflow.diagnosis.learning import MIN_STEPS, is_before_training, is_stuck, is_unfitted, losses, may_harm
from gradflow.diagnosis.movement import movement
from gradflow.diagnosis.rules.dead import has_zero_weights
from gradflow.diagnosis.rules.learning_rate import LOW
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

FIGURE = "training"
# A fresh network begins near the loss of a constant answer; twofold is usual where its outputs are as large as targets.
LARGE = 5.0
# Standardised targets have a size of 1; pixels of 0 to 255 one of 130.
TARGETS = 8.0
CONSISTENT = 0.8
TINY = 0.2  # of a constant answer's loss: before training no network is so much better
ALIKE = 0.02  # of the outputs' size, between examples
RANDOM_LOSS = "random projection"  # of the analysis of one batch without targets, whose inputs may be random, too
INIT, TARGET = ("remedy.smaller_init", "remedy.lower_lr"), ("remedy.scale_targets", "remedy.lower_lr")
MEAN = ("remedy.mean_loss", "remedy.lower_lr")


def find(cases: list[Case]) -> list[Finding]:
    """Return findings for each case on the size of its first outputs, and on how they vary."""
    return [*over_runs(cases, _sized, FIGURE), *over_runs(cases, _alike, FIGURE)]


def begins_large(recording: Recording) -> bool:
    """Whether the outputs begin so large that they do harm."""
    found = _sized(recording)
    return found is not None and found.key == "outputs_large" and found.severity == "problem"


def _sized(recording: Recording) -> Found | None:
    output, loss = _only(recording), first_loss(recording)
    names = operations(recording)
    if output is None or not math.isfinite(loss) or not names or loss <= 0:
        return None
    if names[0] == SQUARED:
        return _squared(recording, output, loss)
    constant = math.log(max(output.width, 2))
    if names[:2] != (CROSS_ENTROPY, "LogSoftmax"):
        return None
    if loss < TINY * constant and is_fresh(recording):
        return Found("loss_tiny", problem_if(_hardly_moves(recording)), {"loss": loss, "constant": constant}, "", MEAN)
    if not loss > LARGE * constant:
        return None
    found = losses(recording)
    is_learnt = found is not None and found.last < constant / 2
    if loss > constant + output.max - output.min:
        most: dict[str, Value] = {"loss": loss, "most": constant + output.max - output.min}
        return Found("loss_scaled", problem_if(is_unfitted(recording)), most, "", MEAN)
    values: dict[str, Value] = {"rms": output.rms, "loss": loss, "times_constant": loss / constant, "threshold": LARGE}
    return Found("outputs_large", problem_if(not is_learnt and _is_long(recording)), values, "", INIT)


def _hardly_moves(recording: Recording) -> bool:
    moved = movement(recording)
    return moved is not None and moved.path <= LOW


def _is_long(recording: Recording) -> bool:
    """Whether enough was recorded to say that large outputs do harm: a network that learns makes them smaller soon."""
    found = losses(recording)
    return is_stuck(recording) or (found is not None and found.steps >= MIN_STEPS)


def _squared(recording: Recording, output: Tensor, loss: float) -> Found | None:
    """Tell outputs apart that are too large from targets that are, where the loss is a mean of squares.

    Outputs know nothing of the targets yet, so that the loss is the sum of both mean squares.
    """
    of_outputs = output.rms**2
    if loss < TINY * of_outputs and is_fresh(recording) and _hardly_moves(recording):
        return Found("loss_tiny", "problem", {"loss": loss, "constant": of_outputs}, "", MEAN)
    if loss < CONSISTENT * of_outputs:
        return None  # something else than a mean of squares, or outputs that begin near their targets, as a skip's do
    of_targets = max(loss - of_outputs, loss / 1000)
    values: dict[str, Value] = {"rms": output.rms, "loss": loss}
    if loss > LARGE * of_targets and output.rms > 1:
        values |= {"times_constant": loss / of_targets, "threshold": LARGE}
        return Found("outputs_large", problem_if(_is_long(recording)), values, "", INIT)
    size = math.sqrt(of_targets)
    if not size > TARGETS * max(output.rms, 1.0):
        return None
    severity = problem_if(may_harm(recording))
    return Found("targets_unscaled", severity, {**values, "size": size, "threshold": TARGETS}, "", TARGET)


def _alike(recording: Recording) -> Found | None:
    output = _only(recording)
    if output is None or output.examples < 2 or not 0 < output.rms < math.inf:
        return None
    if not output.spread < ALIKE * output.rms:
        return None
    values: dict[str, Value] = {"spread": output.spread, "rms": output.rms, "threshold": ALIKE}
    if _begins_alike(recording):
        return Found("outputs_begin_alike", "problem", values)
    if not is_stuck(recording):
        return None
    return Found("outputs_alike", "problem", values, "", ("remedy.init", "remedy.add_norm", "remedy.skip"))


def _begins_alike(recording: Recording) -> bool:
    """Whether outputs that are alike before training are a sign: of real examples, without a head of zeros."""
    is_real = recording.meta.get("loss") != RANDOM_LOSS
    return is_before_training(recording) and is_real and not has_zero_weights(recording)


def _only(recording: Recording) -> Tensor | None:
    first = beginning(recording)
    return first.outputs[0] if first is not None and len(first.outputs) == 1 else None
