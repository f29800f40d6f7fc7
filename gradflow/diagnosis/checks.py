"""What a diagnosis looked at: what it found, what is fine, and what could not be checked and how to record it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import numpy as np

from gradflow.analysis.clipping import binding
from gradflow.analysis.nonfinite import arrived_nonfinite
from gradflow.diagnosis.beginning import beginning, operations
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.first_last_ratio import ONE_BATCH
from gradflow.diagnosis.learning import MIN_STEPS, is_before_training, learning, losses
from gradflow.diagnosis.movement import has_first_steps, movement
from gradflow.diagnosis.recorded_structure import structure
from gradflow.diagnosis.rules.elsewhere import MIN_TIMES
from gradflow.diagnosis.rules.outputs import RANDOM_LOSS
from gradflow.diagnosis.seed_groups import Case, Subject
from gradflow.recording import SHATTERING, Recording
from gradflow.text import text

UNTRAINED = (ONE_BATCH, "vanishing", SHATTERING)  # meta["experiment"] of recordings that know of no training
OF_GRADIENTS = ("updates", "rate", "clipping", "activations", "times")  # what is needed where gradients are recorded

BEFORE_TRAINING = {"loss_tensor": "targets"}  # what is needed instead where no recorder was at work

Status = Literal["found", "fine", "unchecked"]


class Check(NamedTuple):
    """One question asked of one network; its words are the texts `check.<name>` and `need.<need>`."""

    subject: Subject
    name: str
    status: Status
    need: str

    @property
    def words(self) -> str:
        """What was asked."""
        return text(f"check.{self.name}")


class _Question(NamedTuple):
    need: str  # what it takes to answer it
    findings: tuple[str, ...]
    can_answer: Callable[[Recording], bool]
    is_asked: Callable[[Recording], bool] = lambda recording: True


def checks(networks: Iterable[Case], findings: Iterable[Finding]) -> list[Check]:
    """Return for each network which questions its findings answer, as problem or notice or fine, and which are open.

    Examples
    --------
    >>> import pandas as pd
    >>> from gradflow.diagnosis.seed_groups import cases
    >>> run = Recording(steps=pd.DataFrame({"step": range(30), "loss": [2.3] * 30}))
    >>> {check.name: check.status for check in checks(cases(run), [])}["loss"]
    'fine'
    """
    keys: dict[Subject, set[str]] = {}
    for finding in findings:
        if finding.severity in ("problem", "notice"):
            keys.setdefault(finding.subject, set()).add(finding.key)
    return [
        Check(case.subject, name, _status(case, question, keys.get(case.subject, set())), _need(case, question))
        for case in networks
        for name, question in QUESTIONS.items()
        if any(map(question.is_asked, case.recordings))
    ]


def subjects(findings: Iterable[Finding], checks: Iterable[Check]) -> list[Subject]:
    """Return the networks that findings and checks are about, trained ones first; not the statement about all."""
    asked = list(checks)
    trained = {one.subject for one in asked if QUESTIONS[one.name].is_asked is _is_trained}
    every = [*(one.subject for one in findings), *(one.subject for one in asked)]
    found = dict.fromkeys(subject for subject in every if subject.label)
    return sorted(found, key=lambda subject: subject not in trained)


def needs(unchecked: Iterable[Check]) -> list[str]:
    """Return what to record for what could not be checked, in a sentence for each thing that is needed."""
    names: dict[str, list[str]] = {}
    for one in unchecked:
        names.setdefault(one.need, []).append(one.words)
    joined = {need: text("list.enumeration").join(dict.fromkeys(checks)) for need, checks in names.items()}
    return [text(f"need.{need}", check=checks) for need, checks in joined.items()]


def _status(case: Case, question: _Question, keys: set[str]) -> Status:
    if keys & set(question.findings):
        return "found"
    return "fine" if any(map(question.can_answer, case.recordings)) else "unchecked"


def _need(case: Case, question: _Question) -> str:
    """Return what it takes to answer a question: where every gradient is NaN, or none was made, that comes first."""
    if question.need in OF_GRADIENTS and all(map(_is_lost, case.recordings)):
        return "finite"
    if any("shape_clash" in recording.meta for recording in case.recordings):
        return "forward"
    if question.need == "losses" and any(map(_has_losses, case.recordings)):
        return "clear_losses"
    is_before = all(map(is_before_training, case.recordings))
    return BEFORE_TRAINING.get(question.need, question.need) if is_before else question.need


def _is_lost(recording: Recording) -> bool:
    """Whether gradients arrived, and none of them is finite."""
    norms = (recording.layers[name].to_numpy() for name in ("grad_norm", "out_grad_norm"))
    is_finite = any(np.isfinite(one).any() for one in norms)
    return bool(arrived_nonfinite(recording.layers, "out_grad_norm").any()) and not is_finite


def _is_trained(recording: Recording) -> bool:
    return recording.meta.get("experiment") not in UNTRAINED


def _has_losses(recording: Recording) -> bool:
    found = losses(recording)
    return found is not None and found.steps >= MIN_STEPS


def _has_outputs(recording: Recording) -> bool:
    return bool(recording.layers["out_grad_norm"].notna().any())


def _has_statistics(recording: Recording) -> bool:
    return bool(recording.layers["act_rms"].notna().any())


def _has_units(recording: Recording) -> bool:
    return _has_kind(recording, "ReLU", "Sigmoid", "Tanh")


def _has_kind(recording: Recording, *parts: str) -> bool:
    """Whether the class of a layer has one of these in its name; rows are many, and classes few."""
    return any(part in kind for kind in recording.layers["kind"].unique() for part in parts)


def _sees_inputs(recording: Recording) -> bool:
    found = beginning(recording)
    return found is not None and any(math.isfinite(one.rms) for one in found.inputs)


def _has_steps_in_a_row(recording: Recording) -> bool:
    steps = np.unique(recording.parameters.loc[recording.parameters["update_norm"].notna(), "step"])
    return int((np.diff(steps) == 1).sum()) >= MIN_TIMES


def _has_probe(recording: Recording) -> bool:
    return bool((recording.probes["probe"] == SHATTERING).any())


def _has_structure(recording: Recording) -> bool:
    return structure(recording) is not None


QUESTIONS: dict[str, _Question] = {
    "structure": _Question("structure",
        ("skip_shape", "addition_shape", "no_activation_after_addition", "norm_after_activation", "norm_twice",
         "projection_without_norm", "bias_before_norm"),
        _has_structure,
        is_before_training,
    ),
    "init": _Question("structure",
        ("init_unsuited", "init_small", "init_large"),
        _has_structure,
        is_before_training,
    ),
    "first_update": _Question("first_update",
        ("step_overshoots", "step_overshoots_here"),
        lambda recording: "first_update" in recording.meta,
        is_before_training,
    ),
    "loss": _Question("losses",
        ("diverged", "loss_rose", "loss_constant", "loss_level", "loss_negative", "nonfinite_loss"),
        lambda recording: _has_losses(recording) and learning(recording) != "unknown",
        _is_trained,
    ),
    "graph": _Question("layers",
        ("no_gradient_anywhere", "cut_off", "cut_off_no_grad", "cut_off_outside", "not_of_the_loss", "unused",
         "without_gradients", "not_called", "no_gradient", "parameter_without_gradient", "no_parameter_gradient",
         "unregistered", "attention_one_token", "recurrent_one_step", "zero_from_loss", "zero_underflow",
         "zero_gradient_between", "zero_gradient", "zero_parameters", "lost_from_loss", "lost_underflow",
         "lost_gradient_between", "lost_gradient"),
        lambda recording: len(recording.layers) > 0,
    ),
    "updates": _Question("updates",
        ("never_stepped", "lr_zero", "never_changed", "left_out", "not_changed", "mostly_frozen"),
        lambda recording: movement(recording) is not None,
        _is_trained,
    ),
    "first": _Question("first_steps",
        ("gradients_kept", "lr_high", "momentum_high"),
        lambda recording: _has_losses(recording) and has_first_steps(recording),
        _is_trained,
    ),
    "elsewhere": _Question("steps_in_a_row", ("changed_elsewhere",), _has_steps_in_a_row, _is_trained),
    "inputs": _Question("inputs", ("inputs_nonfinite", "inputs_unscaled"), _sees_inputs),
    "outputs": _Question("loss_tensor",
        ("squashed_logits", "softmax_of_one", "squashed_values", "probabilities", "outputs_large", "targets_unscaled",
         "targets_unreachable", "outputs_begin_alike", "outputs_alike", "loss_scaled", "loss_tiny"),
        lambda recording: bool(operations(recording)) and recording.meta.get("loss") != RANDOM_LOSS,
    ),
    "weights": _Question("first_batch", ("identical_units", "norm_in_eval"), lambda run: beginning(run) is not None),
    "rate": _Question("rate",
        ("lr_high", "lr_low", "lr_decays", "momentum_high", "weight_decay_high", "weights_shrink"),
        lambda recording: movement(recording) is not None and _has_losses(recording),
        _is_trained,
    ),
    "clipping": _Question("clipping",
        ("clip_binds",),
        lambda recording: _has_losses(recording) and binding(recording) is not None,
        _is_trained,
    ),
    "depth": _Question("activations",
        ("vanishing", "exploding", "stalled", "near_stop", "nonfinite_forward", "nonfinite_backward",
         "nonfinite_from_loss", "nonfinite_with_loss", "nonfinite_gradient", "nonfinite_parameter",
         "nonfinite_other_pass", "nonfinite_weights"),
        _has_outputs,
    ),
    "time": _Question("times",
        ("vanishing_over_time", "exploding_over_time", "zero_over_time"),
        lambda recording: bool((recording.times["tensor"] == "input").any()),
        lambda recording: not {"RNN", "LSTM", "GRU"}.isdisjoint(recording.layers["kind"].unique()),
    ),
    "units": _Question("statistics", ("units_off", "units_saturated"), _has_statistics, _has_units),
    "dropout": _Question("first_batch",
        ("dropout_strong",),
        lambda run: beginning(run) is not None,
        lambda run: _has_kind(run, "Dropout"),
    ),
    "shattering": _Question("probe", ("shattered", "shattering_unclear"), _has_probe),
    "labels": _Question("labels", (), lambda recording: False, _is_trained),
}  # fmt: skip
