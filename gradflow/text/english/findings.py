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
        "{subject}: the loss ended{in_runs} above {threshold} times its first value; at worst it went from {first} to "
        "{last} in {steps}. The first and the last losses are compared by their medians."
    ),
    "finding.loss_level": (
        "{subject}: the loss did not fall{in_runs}: it began at {first} and ended at {last} ({steps}; medians of the "
        "first and of the last losses)."
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
        "{when} (step {step}) the {measure} of {subject} is {up_to}{fold} times larger at {first} than at {last}"
        "{in_runs}: {decades}.{how}{placed}"
    ),
    "finding.vanishing": (
        "{when} (step {step}) the {measure} of {subject} is {up_to}{fold} times smaller at {first} than at {last}"
        "{in_runs}: {decades}.{how}{placed}"
    ),
    "finding.up_to": "up to ",
    "finding.layer": "layer {layer}",
    "finding.call": "call {call} of layer {layer}",
    "finding.per_layer": " In the longest stage ({layers}{about}) it changes by {factor} per layer{closed}.",
    "finding.per_call": " It changes by {factor} from each call of {layer} to the one before.",
    "finding.activation": " with {activation}",
    "finding.closed_form": "; the closed form is {predicted}",
    "finding.lost_between": " Most of the change is between {before} and {behind}: {lost_decades}.",
    "finding.not_placed": " The depth of the layers is unknown; they are compared in the model's own order.",
    "finding.within": ", within {threshold} decades",
    "finding.within_each": ", in each run within {threshold} decades",
    "finding.checked": "no fault was found in gradient and loss",
    "finding.checked_gradient": "no fault was found in the gradient",
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
        "{subject}: the gradient was not measured at two layers of any path, so nothing is said about vanishing or "
        "exploding."
    ),
    "finding.healthy": (
        "{subject}: {checked}. {when} (step {step}) the {measure} differs most between {first} and {last}: "
        "{decades}{within}.{placed}"
    ),
    "finding.healthy_trained": (
        "{subject}: {checked}. {when} (step {step}) the {measure} differs most between {first} and {last}: "
        "{decades}{within}; the training error ends at {train_error}.{placed}"
    ),
    "finding.healthy_list": (
        "No fault was found in these networks. {when} (step {step}) the norm of the {measure} at one end of the "
        "network over that at the other is:"
    ),
    "finding.healthy_line": "{subject}: {decades}",
    "finding.healthy_trained_line": "{subject}: {decades}; training error at the end {train_error}",
    "cause.factor_below_one": (
        "Each layer passes on less gradient than it receives; the attenuation multiplies with depth."
    ),
    "cause.factor_above_one": (
        "Each layer passes on more gradient than it receives; the amplification multiplies with depth."
    ),
    "cause.batch_norm": (
        "Each layer passes on more gradient than it receives; the amplification multiplies with depth. For batch norm "
        "before ReLU in a stack without shortcuts the closed form is √(π/(π−1)) = 1.211 per layer (Yang et al. 2019)."
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
    "remedy.activation": (
        "Replace the activation: ReLU with Kaiming initialisation, or tanh with weights of variance 1/fan_in."
    ),
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
