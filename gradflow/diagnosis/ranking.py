"""The order of findings: causes before what follows from them, what is certain before what is likely."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gradflow.diagnosis.finding import LAYOUT, SEVERITIES, Finding

# What the program does, whatever comes of it; what it begins with; how it is trained; what happens inside; how far the
# weights move; what is seen from outside. Each explains those after it, not those beside it.
PROGRAM = (
    "skip_shape", "addition_shape", "never_stepped", "lr_zero", "identical_units", "never_changed",
    "no_gradient_anywhere", "no_parameter_gradient", "inputs_nonfinite", "loss_negative", "softmax_of_one",
    "squashed_logits", "probabilities", "cut_off", "cut_off_no_grad", "cut_off_outside", "parameter_without_gradient",
    "left_out", "not_changed", "gradients_kept", "unregistered", "attention_one_token", "recurrent_one_step",
    "not_of_the_loss", "without_gradients", "unused", "not_called", "no_gradient", "norm_in_eval", "mostly_frozen",
    "changed_elsewhere", "squashed_values", "targets_unreachable",
)  # fmt: skip
BEGINNING = (
    "loss_scaled", "loss_tiny", "inputs_unscaled", "targets_unscaled", "init_unsuited", "init_small", "init_large",
    "dropout_strong",
)  # fmt: skip
SIZES = ("outputs_large",)
SETTINGS = ("clip_binds", "weight_decay_high", "momentum_high", "lr_decays", "lr_high")
INSIDE = (
    "degraded", "skip_helps", "nonfinite_loss", "nonfinite_forward", "nonfinite_backward", "nonfinite_parameter",
    "zero_from_loss", "zero_underflow", "zero_gradient_between", "zero_gradient", "zero_parameters", "near_stop",
    "units_off", "units_saturated", "vanishing_over_time", "zero_over_time", "exploding_over_time", "exploding",
    "vanishing", "outputs_alike", "outputs_begin_alike", "stalled", "shattered", "lost_underflow",
    "lost_gradient_between", "lost_from_loss", "lost_gradient", "weights_shrink", "nonfinite_weights",
    "nonfinite_gradient", "nonfinite_from_loss", "nonfinite_with_loss", "nonfinite_other_pass",
)  # fmt: skip
# Weights that hardly move where a gradient vanished, or too far where it exploded, say nothing of the learning rate.
MOVEMENT = ("lr_low", "step_overshoots_here", "step_overshoots")
OUTSIDE = ("diverged", "loss_rose", "loss_constant", "loss_level")
TIERS = (PROGRAM, BEGINNING, SIZES, SETTINGS, INSIDE, MOVEMENT, OUTSIDE)
# Units that pass little on are a problem, whatever becomes of the loss, where the gradient behind them is one.
ONES_BEHIND = {
    "units_off": ("zero_gradient_between", "lost_gradient_between", "vanishing"), "units_saturated": ("vanishing",)
}  # fmt: skip
ORDER = {key: place for place, key in enumerate(key for tier in (*TIERS, LAYOUT) for key in tier)}


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings by severity, then causes first; a problem that another explains names it in `follows`."""
    found = sorted(
        _with_causes(list(findings)), key=lambda one: (SEVERITIES.index(one.severity), ORDER.get(one.key, len(ORDER)))
    )
    problems = [one for one in found if one.severity == "problem"]
    return [replace(one, follows=_explained_by(one, problems)) for one in found]


def _with_causes(findings: list[Finding]) -> list[Finding]:
    """Return the findings, and those that explain a problem of the same network as problems too."""
    problems = {(one.subject, one.key) for one in findings if one.severity == "problem"}
    explain = [
        one.severity == "notice" and any((one.subject, key) in problems for key in ONES_BEHIND.get(one.key, ()))
        for one in findings
    ]
    return [replace(one, severity="problem") if it else one for one, it in zip(findings, explain, strict=True)]


def is_cause(finding: Finding) -> bool:
    """Whether a finding may be why a loss stays level; what is found at the end of training may follow from it."""
    return finding.severity == "problem" and finding.key not in OUTSIDE and finding.values.get("when") != "end"


def _explained_by(finding: Finding, problems: list[Finding]) -> str:
    """Return the key of the first problem of the same network of a tier before the finding's own."""
    if finding.severity not in ("problem", "notice"):
        return ""
    own = _tier(finding.key)
    before = (one for one in problems if one.subject == finding.subject and _tier(one.key) < own)
    return next((one.key for one in before), "")


def _tier(key: str) -> int:
    return next((number for number, tier in enumerate(TIERS) if key in tier), -1)
