"""What a diagnosis looked at: what it found, what is fine, and what could not be checked and how to record it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from gradflow.analysis.clipping import clipping
from gradflow.diagnosis.beginning import beginning, operations
from gradflow.diagnosis.cases import Case, Subject, cases
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.harm import MIN_STEPS, losses
from gradflow.diagnosis.movement import movement
from gradflow.recording import SHATTERING, Recording

Status = Literal["found", "fine", "unchecked"]


class Check(NamedTuple):
    """One question asked of one network; its words are the texts `check.<name>` and `need.<need>`."""

    subject: Subject
    name: str
    status: Status
    need: str


class _Question(NamedTuple):
    need: str  # what it takes to answer it
    findings: tuple[str, ...]
    can_answer: Callable[[Recording], bool]
    is_asked: Callable[[Recording], bool] = lambda recording: True


def checks(recordings: Recording | Iterable[Recording], findings: Iterable[Finding]) -> list[Check]:
    """Return for each network which questions were answered, as problem or notice, or as fine, and which were not.

    Parameters
    ----------
    recordings : Recording or iterable of Recording
    findings : iterable of Finding
        What `diagnose` says of them.

    Examples
    --------
    >>> import pandas as pd
    >>> run = Recording(steps=pd.DataFrame({"step": range(30), "loss": [2.3] * 30}))
    >>> {check.name: check.status for check in checks(run, [])}["loss"]
    'fine'
    """
    keys: dict[Subject, set[str]] = {}
    for finding in findings:
        if finding.severity in ("problem", "notice"):
            keys.setdefault(finding.subject, set()).add(finding.key)
    return [
        Check(case.subject, name, _status(case, question, keys.get(case.subject, set())), question.need)
        for case in cases(recordings)
        for name, question in QUESTIONS.items()
        if any(map(question.is_asked, case.recordings))
    ]


def _status(case: Case, question: _Question, keys: set[str]) -> Status:
    if keys & set(question.findings):
        return "found"
    return "fine" if any(map(question.can_answer, case.recordings)) else "unchecked"


def _has_losses(recording: Recording) -> bool:
    found = losses(recording)
    return found is not None and found.steps >= MIN_STEPS


def _has_outputs(recording: Recording) -> bool:
    return bool(recording.layers["out_grad_norm"].notna().any())


def _has_statistics(recording: Recording) -> bool:
    return bool(recording.layers["act_rms"].notna().any())


def _has_units(recording: Recording) -> bool:
    return bool(recording.layers["kind"].str.contains("ReLU|Sigmoid|Tanh").any())


def _sees_inputs(recording: Recording) -> bool:
    found = beginning(recording)
    return found is not None and any(math.isfinite(one.rms) for one in found.inputs)


def _has_probe(recording: Recording) -> bool:
    return bool((recording.probes["probe"] == SHATTERING).any())


QUESTIONS: dict[str, _Question] = {
    "loss": _Question("losses", ("diverged", "loss_rose", "loss_constant", "loss_level", "loss_negative"), _has_losses),
    "graph": _Question("layers",
        ("no_gradient_anywhere", "cut_off", "cut_off_no_grad", "cut_off_outside", "not_of_the_loss", "unused",
         "without_gradients", "not_called", "no_gradient", "parameter_without_gradient", "no_parameter_gradient",
         "unregistered"),
        lambda recording: len(recording.layers) > 0,
    ),
    "updates": _Question("updates",
        ("never_stepped", "lr_zero", "never_changed", "left_out", "not_changed", "mostly_frozen", "gradients_kept",
         "changed_elsewhere"),
        lambda recording: movement(recording) is not None,
    ),
    "inputs": _Question("inputs", ("inputs_nonfinite", "inputs_unscaled"), _sees_inputs),
    "outputs": _Question("loss_tensor",
        ("squashed_logits", "softmax_of_one", "squashed_values", "probabilities", "outputs_large", "targets_unscaled",
         "outputs_alike", "loss_scaled", "loss_tiny"),
        lambda recording: bool(operations(recording)),
    ),
    "weights": _Question("first_batch", ("identical_units", "norm_in_eval"), lambda run: beginning(run) is not None),
    "rate": _Question("rate",
        ("lr_high", "lr_low", "lr_decays", "momentum_high", "weight_decay_high", "weights_shrink"),
        lambda recording: movement(recording) is not None and _has_losses(recording),
    ),
    "clipping": _Question("clipping", ("clip_binds",), lambda recording: not clipping(recording).empty),
    "depth": _Question("activations", ("vanishing", "exploding", "stalled", "near_stop"), _has_outputs),
    "time": _Question("times",
        ("vanishing_over_time", "exploding_over_time", "zero_over_time"),
        lambda recording: bool((recording.times["tensor"] == "input").any()),
        lambda recording: bool(recording.layers["kind"].isin(["RNN", "LSTM", "GRU"]).any()),
    ),
    "units": _Question("statistics", ("units_off", "units_saturated"), _has_statistics, _has_units),
    "dropout": _Question("first_batch",
        ("dropout_strong",),
        lambda run: beginning(run) is not None,
        lambda run: bool(run.layers["kind"].str.contains("Dropout").any()),
    ),
    "shattering": _Question("probe", ("shattered", "shattering_unclear"), _has_probe),
    "labels": _Question("labels", (), lambda recording: False),
}  # fmt: skip
