"""What is found, where it comes from and what to try, in English."""

from __future__ import annotations

from collections.abc import Mapping

FINDINGS: Mapping[str, str] = {
    "finding.diverged": ("{subject}: the loss left the finite numbers{in_runs}, first at step {step}."),
    "finding.nonfinite_gradient": (
        "{subject}: a gradient stopped being finite at step {step}; in the backward pass layer {layer} was the first."
    ),
    "finding.in_runs": " in {n} of {runs}",
    "finding.loss_rose": (
        "{subject}: the loss ended{in_runs} above {threshold} times its first value; at worst it went "
        "from {first} to {last}, the median of the last tenth of {steps}."
    ),
    "finding.loss_level": (
        "{subject}: the loss did not fall{in_runs}: it was {first} at first and {last} in the end, the "
        "median of the last tenth of {steps}."
    ),
    "finding.probabilities": (
        "{subject}: the outputs are probabilities, and the loss takes them for logits: it applies a softmax or sigmoid "
        "of its own. On this batch it is {loss}; outputs that are certain and right would still have {certain}."
    ),
    "finding.degraded": (
        "{subject} trains worse than the shallower {shallow}: training error {train_error} against "
        "{shallow_error}. Paired by seed, the difference is {difference}."
    ),
    "finding.not_degraded": (
        "{subject} does not train worse than the shallower {shallow}: training error {train_error} against "
        "{shallow_error}. Paired by seed, the difference is {difference}."
    ),
    "finding.degradation_unclear": (
        "Whether {subject} trains worse than {shallow} is open: the paired difference in training error is "
        "{difference}, an interval that allows less than {threshold_points} as well as more."
    ),
    "finding.skip_helps": (
        "{subject} trains worse than {residual}, which has the same layers and residual connections: training "
        "error {train_error} against {residual_error}. Paired by seed, the difference is {difference}."
    ),
    "finding.exploding": (
        "{when} (step {step}) the {measure} of {subject} grows toward the input: its norm at the first layer over "
        "that at the last is {decades}. In the longest stage ({layers}) it changes by {factor} per layer."
    ),
    "finding.vanishing": (
        "{when} (step {step}) the {measure} of {subject} shrinks toward the input: its norm at the first layer "
        "over that at the last is {decades}. In the longest stage ({layers}) it changes by {factor} per layer."
    ),
    "finding.stalled": (
        "{subject}: the weights of the first layer grew {growth}. Batch norm makes their scale irrelevant, so at "
        "an equal learning rate a step turns them {slowdown} times less than at the start."
    ),
    "finding.zero_gradient": (
        "{subject}: the parameter gradient of {layers} was exactly zero at all of {steps}; first in order: {example}."
    ),
    "finding.zero_gradient_once": (
        "{subject}: the parameter gradient of {layers} was exactly zero at the only recorded step; first in order: "
        "{example}. Zero-initialised layers start so by design."
    ),
    "finding.lost_gradient": (
        "{subject}: the parameter gradient of {layers} became exactly zero and stayed so to the end, first at step "
        "{step}; first in order: {example}."
    ),
    "finding.no_gradient": "{subject}: no gradient arrived at {layers} with parameters; first in order: {example}.",
    "finding.shattering_not_measured": (
        "Shattering of the gradient was not measured in these runs, so nothing is said about it."
    ),
    "finding.ends_not_measured": (
        "{subject}: no gradient was measured at two layers, so nothing is said about vanishing or exploding."
    ),
    "finding.healthy": (
        "{subject}: no rule found a fault. {when} (step {step}) the norm of the {measure} at the first layer over "
        "that at the last is {decades}, within {threshold} decades."
    ),
    "finding.healthy_trained": (
        "{subject}: no rule found a fault. {when} (step {step}) the norm of the {measure} at the first layer over "
        "that at the last is {decades}; the training error ends at {train_error}."
    ),
    "finding.healthy_list": (
        "No rule found a fault in these networks. {when} (step {step}) the norm of the {measure} at the first layer "
        "over that at the last is:"
    ),
    "finding.healthy_line": "{subject}: {decades}",
    "finding.healthy_trained_line": "{subject}: {decades}; training error at the end {train_error}",
    "cause.factor_below_one": "Each layer passes on less gradient than it receives; the losses multiply over depth.",
    "cause.factor_above_one": (
        "Each layer passes on more gradient than it receives; the gains multiply over depth. For batch norm before "
        "ReLU in a stack without shortcuts the closed form is √(π/(π−1)) = 1.211 per layer (Yang et al. 2019)."
    ),
    "cause.scale_invariance": (
        "A large first gradient inflates weights that batch norm rescales; the turn a step makes falls with the "
        "square of their norm (van Laarhoven 2017)."
    ),
    "cause.skip": (
        "The two networks differ in the residual connections alone: data, seeds, steps and recipe are the same."
    ),
    "remedy.skip": "Add residual connections.",
    "remedy.shallower": "Use fewer layers.",
    "remedy.budget": "Train longer, to see how much of the gap is a matter of budget.",
    "remedy.init": "Match the initialisation's variance to the activation (Kaiming for ReLU, gain 1 for tanh).",
    "remedy.norm": "Normalise inside residual branches.",
    "remedy.warmup": "Start with a smaller learning rate (warm-up).",
    "remedy.lower_lr": "Lower the learning rate.",
    "remedy.clip": "Clip the gradient's norm.",
    "remedy.check_optimizer": (
        "Check that the optimizer holds the parameters; try ten times the learning rate, and a tenth of it."
    ),
    "remedy.check_graph": "Check that the layer's output reaches the loss.",
    "remedy.other_activation": "Check for units that never activate; try a leaky activation.",
    "remedy.logits": "Return what comes before the softmax or sigmoid: the logits.",
    "severity.problem": "Problem",
    "severity.notice": "Notice",
    "severity.healthy": "Healthy",
    "severity.unmeasured": "Not measured",
}
