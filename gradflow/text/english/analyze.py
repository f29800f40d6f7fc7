"""The analysis of one batch, in English."""

from __future__ import annotations

from collections.abc import Mapping

ANALYZE: Mapping[str, str] = {
    "analyze.loss.own": "{name}, given by whoever called",
    "analyze.loss.model": "the model's own loss",
    "analyze.loss.projection": (
        "a fixed random projection of the outputs, mean over the batch of <r, output>, r standard normal of seed "
        "{seed}: no targets were given"
    ),
    "analyze.loss.mse": "mean squared error",
    "analyze.loss.cross_entropy": "cross-entropy",
    "analyze.title": "Gradient flow of {name}, one batch",
    "analyze.fact.model": "model",
    "analyze.parameters": "{model}, {parameters} parameters",
    "analyze.fact.inputs": "inputs",
    "analyze.fact.mode": "mode",
    "analyze.fact.loss": "loss",
    "analyze.fact.input_grad_norm": "gradient norm at the inputs",
    "analyze.degree.title": "Does it vanish or explode?",
    "analyze.degree.caption": (
        "Decades: log10 of the first weighted layer's norm over the last one's. Factor: per layer, walking backward "
        "through the longest stage; below 1 vanishes, above explodes; 95 % interval of the fit over layers."
    ),
    "analyze.measure.out_grad_norm": "activation gradient",
    "analyze.measure.grad_norm": "parameter gradient",
    "analyze.measure.without skips": "  without skips",
    "analyze.measure.plain twin": "  plain twin",
    "analyze.measure.without branches": "  without branches",
    "analyze.measure.grad_times_weight": "|gradient| × |weights|",
    "analyze.layers.title": "Weighted layers, from the input",
    "analyze.layers.caption": "Bar: gradient norm at the output, on a log scale from the smallest to the largest.",
    "analyze.worst.title": "Layers that stand out",
    "analyze.worst.caption": (
        "By |gradient| / |weights| of their parameters, off the median of weighted layers (of the others for norms)."
    ),
    "analyze.reason.no gradient": "no gradient",
    "analyze.reason.not finite": "not finite",
    "analyze.reason.exactly zero": "exactly zero",
    "analyze.findings.title": "Findings",
    "analyze.coverage.title": "Layers whose output gradient was not measured as such",
    "analyze.left_out": "{n} more between",
    "analyze.degree.without": (
        "Without skips, without branches: the activation gradient with what they send back removed{where}, on the "
        "same weights and activations."
    ),
    "analyze.at_joins": " at the joins {joins}",
    "analyze.inputs_unreached": "none: the loss reaches parameters, but not the inputs",
    "analyze.lesions.title": "The loss without one branch",
    "analyze.lesions.caption": (
        "With all branches it is {loss}. One at a time is left out of the forward pass, in the model's mode: a loss "
        "that hardly changes says that the other blocks do without it."
    ),
    "analyze.column.lesion": "change",
    "analyze.column.lesion_loss": "loss",
    "analyze.column.lesion_status": "",
    "analyze.skips.title": "Residual connections: {n}, from the input",
    "analyze.skips.caption": (
        "At the fork g = s + b: s came back through the skip, b through the branch. Share: <s, g>/|g|². |s|² and "
        "|b|² are fractions of |g|². Angle: between s and b. |F|/|x|: forward, the branch over the skip."
    ),
    "analyze.column.measure": "measure",
    "analyze.column.decades": "decades",
    "analyze.column.factor": "factor",
    "analyze.column.interval": "interval",
    "analyze.column.stage_layers": "layers",
    "analyze.column.law": "law",
    "analyze.column.join": "joins at",
    "analyze.column.join_kind": "kind",
    "analyze.column.skip_share": "share",
    "analyze.column.skip_sq": "|s|²",
    "analyze.column.branch_sq": "|b|²",
    "analyze.column.angle": "angle",
    "analyze.column.branch_ratio": "|F|/|x|",
    "analyze.column.depth": "depth",
    "analyze.column.layer": "layer",
    "analyze.column.kind": "kind",
    "analyze.column.out_grad_norm": "output grad",
    "analyze.column.bar": "",
    "analyze.column.grad_norm": "param grad",
    "analyze.column.act_rms": "output rms",
    "analyze.column.grad_per_weight": "grad/weight",
    "analyze.column.off": "off the median",
    "ran.analyze": ("One batch, {inputs}, through {model} with {parameters} parameters in {mode} mode. Loss: {loss}."),
    "profile.lead_batch": (
        "The norm of the loss gradient at each weighted layer, on a logarithmic axis. A straight slope is a constant "
        "factor per layer; a flat line is an even flow."
    ),
    "fact.inputs": "Inputs",
    "fact.mode": "Mode",
    "fact.loss": "Loss",
    "joins.one": "1 residual connection",
    "joins.many": "{n} residual connections",
    "skips.title": "What the residual connections carry",
    "skips.lead": "The residual connections were found in the autograd graph of a pass; nothing was annotated.",
    "skips.lead_training": (
        "The residual connections were found in the autograd graph of a pass; nothing was annotated. They were "
        "measured on the first batch, before the first update and after the last one."
    ),
    "skips.lead_one": "{joins}, found in the autograd graph of the pass; nothing was annotated.",
    "skips.definition": (
        "Where the paths part, the gradient is g = s + b: s came back through the skip, b through the branch. The "
        "skip's share is ⟨s, g⟩ / |g|²; |s|², |b|² and 2⟨s, b⟩ are fractions of |g|² and add up to 1. Forward, "
        "|F(x)| / |x| tells how near a block is to the identity."
    ),
    "skips.twin": "In its plain twin, which was built without skips and has activations of its own, by {change}.",
    "skips.without": (
        "{run}: from the last to the first layer the activation gradient changes by {as_it_is}; with what the skips "
        "send back removed {where} by {without_skips}, with what the branches send back removed by {without_branches}."
    ),
    "skips.caption.without": (
        "Backward only; the activations keep their skips. Weights, activations and loss are the same in all three; "
        "what the skips, or the branches, send back is removed {where}. It is not a network built without skips: "
        "that is the plain twin."
    ),
    "skips.every_join": "at every join",
    "skips.chosen_joins": "at the joins {joins}",
    "skips.alt.share": "The skip's share of the gradient along depth: {low} to {high} over {joins}.",
    "skips.alt.without": (
        "Activation gradient against depth before training, as it is, without the skips' share and without the "
        "branches', of {networks}."
    ),
    "skips.alt.none": "The skip's share of the gradient along depth: no join passed a gradient back.",
    "table.skips": "At every join, from the input; fractions of |g|²",
    "table.skips_without": (
        "Before training: the activation gradient at the first weighted layer over that at the last one, in decades"
    ),
    "column.as_it_is": "As it is",
    "column.without_skips": "Without the skips' share",
    "column.without_branches": "Without the branches' share",
    "column.plain_twin": "Plain twin",
    "column.join": "Joins at",
    "column.join_kind": "Kind",
    "column.skip_share": "Skip's share",
    "column.skip_sq": "|s|²",
    "column.branch_sq": "|b|²",
    "column.cross": "2⟨s, b⟩",
    "column.angle": "Angle of s and b",
    "column.branch_ratio": "|F(x)| / |x|",
    "column.lesion": "Loss without the branch, change",
}
