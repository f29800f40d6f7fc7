"""The degree of vanishing, and why networks stall, in English."""

from __future__ import annotations

from collections.abc import Mapping

DEGREE: Mapping[str, str] = {
    "degree.title": "Degree of vanishing, before and after training",
    "degree.lead": (
        "The gradient's norm at the first layer over that at the last, in decades, at recorded steps: above 0 it is "
        "larger at the input, below 0 it vanishes toward it. Of the activations, of the parameters, and of |g| |w|, "
        "the parameters' gradient times their norm."
    ),
    "degree.batch_norm": (
        "With batch norm a weight's gradient is inverse to its norm, so |g| |w| does not depend on scale."
    ),
    "degree.turns": (
        "In {network} the profile turns: the activation gradient at the first layer over that at the last is {start} "
        "at step {first} and {end} at step {last}."
    ),
    "degree.lasts": (
        "In no network does the activation gradient's profile turn between step 0 and the last recorded one."
    ),
    "degree.law": (
        "The law with the lower AICc is named: exponential, which is a constant factor per layer, or a power law in "
        "the layer's depth. It stays undecided where they differ by less than 2 or the interval of the difference "
        "holds 0; there is no trend where the interval of the factor or the exponent holds no change. Residuals count "
        "as autocorrelated, because each layer hands its own deviation on to the next."
    ),
    "degree.alt": (
        "First over last layer's gradient norm, in decades, at several steps, a panel each for activations, "
        "parameters, and gradient times weight. {finding}"
    ),
    "degree.named.exponential": "exponential",
    "degree.named.power law": "power law",
    "degree.named.undecided": "undecided",
    "degree.named.no trend": "no trend",
    "degree.named.too few layers": "too few layers",
    "table.degree": "Activation gradient, first layer over last, in decades",
    "table.law": (
        "The activation gradient in each network's longest stage, without that stage's first layer: factor per layer, "
        "and law with AICc of the exponential minus AICc of the power law"
    ),
    "cell.step": "Step {step}",
    "cell.factor_at": "Factor, step {step}",
    "cell.law_at": "Law, step {step}",
    "cell.delta": "ΔAICc {delta}",
    "cell.delta_interval": "ΔAICc {delta} ({low} to {high})",
    "why.title": "Why networks stall",
    "why.lead": (
        "Under batch norm a weight's scale does nothing, and its gradient stands at a right angle to it: weight decay "
        "aside, an update lengthens it. A large first gradient makes the first layer's weights long; a step turns "
        "long weights by about lr / |w|²; what is left of the learning rate may be too little to train. Each link is "
        "measured here, in networks that stall and in those that do not."
    ),
    "why.caveat": (
        "The chain is what was measured in these runs, one link after the other. It does not say that shorter weights "
        "would have trained the network: a smaller first step is a run of its own, with --warmup or --lr."
    ),
    "why.none": (
        "No network here both trained worse than one it is compared with and outgrew its learning rate; the table "
        "shows the links all the same."
    ),
    "why.others": "The same links beside it: other networks that stalled so, and those of its depth that did not.",
    "why.alt": (
        "For each network: gradient ratio before training, growth of the first layer's weights, effective learning "
        "rate, gradient ratio at the end, training error. {finding}"
    ),
    "why.stalled": "Where training stopped",
    "why.network": (
        "{network} trains worse than a network it is compared with, and its weights outgrew the learning rate:"
    ),
    "why.start": "Before training the activation gradient at the first layer over that at the last is {decades}.",
    "why.first": (
        "The first update multiplies the norm of the first layer's weights by {growth}; √(1 + (lr |g| / |w|)²), "
        "computed from the gradient before it, is {predicted}."
    ),
    "why.growth": (
        "By step {step} the norm has grown {growth}. At one learning rate a step then turns these weights "
        "{slowdown} times less."
    ),
    "why.end": "The activation gradient at the first layer over that at the last is then {decades}.",
    "why.vanished": (
        "The activation gradient at the first layer over that at the last is then {decades}: it has vanished."
    ),
    "why.scaled": "In |g| |w|, which a weight's scale does not enter, it is {decades}.",
    "why.error": "The training error ends at {error}.",
    "why.beside": (
        "{network}: gradient {start} before training, weight norm {growth} and gradient {end} at step {step}, training "
        "error {error}."
    ),
    "table.stall": (
        "The first layer, link by link. Gradients are those of activations, first layer over last, in decades; weight "
        "norms are times that at step 0, beneath the first update's what the gradient before it predicts; lr / |w|² "
        "is taken at one learning rate"
    ),
    "column.start_decades": "Gradient, step 0",
    "column.first_growth": "Weight norm, first update",
    "column.weight_growth": "Weight norm, at the end",
    "column.effective_lr": "lr / |w|², end over start, decades",
    "column.end_decades": "Gradient, at the end",
    "cell.predicted": "predicted {value}",
}
