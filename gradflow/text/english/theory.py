"""What theory says of a setting, and measured beside it, in English."""

from __future__ import annotations

from collections.abc import Mapping

THEORY: Mapping[str, str] = {
    "theory.setting": "{activation}, {init}, {norm}, {skip}",
    "theory.init.default": "PyTorch's default initialisation",
    "theory.init.xavier": "Xavier initialisation",
    "theory.init.kaiming": "Kaiming initialisation",
    "theory.init.kaiming-0.8": "0.8 of Kaiming initialisation",
    "theory.init.critical": "critical initialisation",
    "theory.norm.none": "no norm",
    "theory.norm.batch": "batch norm",
    "theory.norm.layer": "layer norm",
    "theory.skip.yes": "skips",
    "theory.skip.no": "no skips",
    "theory.row.variances": "weights, biases",
    "theory.row.q": "fixed point q",
    "theory.row.chi": "chi",
    "theory.row.factor": "factor per layer",
    "theory.row.left": "left after {layers}",
    "theory.bound.below": "below {bound}",
    "theory.bound.above": "above {bound}",
    "theory.row.critical": "critical",
    "theory.row.verdict": "verdict",
    "theory.row.source": "source",
    "theory.row.holds": "holds for",
    "theory.variances": "σw² = {weights}, σb² = {biases}",
    "theory.gain": "σw² = {weights}, σb² = {biases} (weights × {gain} / √fan_in)",
    "theory.no_critical": "none: chi is 1 at no variance that attracts",
    "theory.any_scale": "any scale: the norm takes it out",
    "theory.no_scale": "none: with a skip chi is above 1 at any scale",
    "theory.limit": "{value}, in the limit of depth",
    "theory.after": "after {layers}",
    "theory.never": "never",
    "theory.verdict.flat.flat": "flat: the gradient keeps its norm.",
    "theory.verdict.exponential.vanishes": (
        "vanishes: each layer multiplies the gradient by {factor} on its way to the input."
    ),
    "theory.verdict.exponential.explodes": (
        "explodes: each layer multiplies the gradient by {factor} on its way to the input."
    ),
    "theory.verdict.power_law.vanishes": "falls as a power of depth: the factor per layer tends to 1 from below.",
    "theory.verdict.power_law.explodes": "grows as a power of depth: the factor per layer tends to 1 from above.",
    "theory.verdict.stretched.vanishes": "falls as exp(−c √depth): faster than a power, slower than a constant factor.",
    "theory.verdict.stretched.explodes": "grows as exp(c √depth): faster than a power, slower than a constant factor.",
    "theory.source.he": "He et al. 2015 (arXiv 1502.01852)",
    "theory.source.schoenholz": "Schoenholz et al. 2017 (arXiv 1611.01232)",
    "theory.source.batch": "Yang et al. 2019 (arXiv 1902.08129)",
    "theory.source.layer": "after Yang et al. 2019 (arXiv 1902.08129)",
    "theory.source.skip": "Yang & Schoenholz 2017 (arXiv 1712.08969)",
    "theory.source.normed_skip": "after Yang & Schoenholz 2017 (arXiv 1712.08969)",
    "theory.holds": "wide layers before training, large batches, inputs of mean square 1",
    "theory.holds_settled": (
        "wide layers before training, once variances are at q: deviations shrink by {rate} per layer"
    ),
    "theory.head.setting": "setting",
    "theory.head.factor": "factor",
    "theory.head.left": "left",
    "theory.head.layers": "layers",
    "theory.head.verdict": "verdict",
    "theory.short.flat.flat": "flat",
    "theory.short.exponential.vanishes": "vanishes",
    "theory.short.exponential.explodes": "explodes",
    "theory.short.power_law.vanishes": "falls, power law",
    "theory.short.power_law.explodes": "grows, power law",
    "theory.short.stretched.vanishes": "falls, stretched",
    "theory.short.stretched.explodes": "grows, stretched",
    "theory.caption": (
        "Left: of the gradient after {layers}. Layers: until it is below {bound}, or above {inverse} where it grows."
    ),
    "beside.title": "Theory beside measurement",
    "beside.lead": (
        "Factors per layer before training, walking backward, measured within a stage and predicted for layers of "
        "unlimited width. A stage's first two layers and its last stay out, where the closed form does not hold yet, "
        "and in residual networks the first alone. A difference is no fault: closed forms leave out finite widths, "
        "small batches and the borders of images."
    ),
    "beside.off": (
        "Over {n} predictions the measured factor is off by {median} in the median and by {largest} at most ({where})."
    ),
    "beside.held": "The 95 % interval holds the prediction in {held} of {tested}.",
    "beside.tends": (
        "A residual network's law is a power of depth: its factor has no fixed value and tends to 1. Measured in "
        "stage {stage}: {factors} at {depths} layers."
    ),
    "beside.alt": "Relative difference of measured and predicted factors per layer, a line for each. {finding}",
    "table.beside": "Measured beside predicted factor per layer, before training",
    "column.beside_predicted": "Predicted",
    "column.beside_difference": "Difference",
}
