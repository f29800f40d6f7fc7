"""What the probes find, in English."""

from __future__ import annotations

from collections.abc import Mapping

PROBES: Mapping[str, str] = {
    "page.question.shattering": "Do the gradients of different inputs agree?",
    "headline.probes": "Probes alone were recorded; what they found is below.",
    "shattering.title": "Do the gradients of different inputs agree?",
    "shattering.lead": (
        "The correlation between the gradients that different inputs send back, 1 where all agree and 0 where what one "
        "example teaches says nothing about the next (Balduzzi et al. 2017)."
    ),
    "shattering.alt": "Correlation of the gradients at the input against depth: {low} to {high} over {networks}.",
    "shattering.alt_lags": "Autocorrelation of the gradient along a line of inputs, beside brown and white noise.",
    "shattering.alt_layers": (
        "Correlation of the gradients of different inputs against the layers that they have come through; at the input "
        "{low} to {high} over {networks}."
    ),
    "shattering.before": (
        "Measured on the first batch before the first update, with the statistics of batch norm held constant, as they "
        "couple the inputs of a batch."
    ),
    "networks.one": "1 network",
    "networks.many": "{n} networks",
    "table.shattering": "At the input of each network, mean over pairs of inputs",
    "column.correlation": "Correlation",
    "column.inputs_norm": "Norm",
    "column.correlation_predicted": "Closed form",
    "paths.title": "How long are the paths that the gradient takes?",
    "paths.lead": (
        "A path takes the skip or the branch of each residual block; its length is the number of branches. There are "
        "most paths of middling length, but each branch scales the gradient, so that the share of a length is its "
        "number of paths times the gradient that one of them brings (Veit et al. 2016)."
    ),
    "paths.said": "{run}: {blocks}; the mean length is {mean}, and half of the gradient comes by {quarter} to {most}.",
    "paths.said_published": (
        "{run}: {blocks}; the mean length is {mean}, and {share} of the gradient comes by {shortest} to {longest} "
        "blocks, the range published for {published} ({source})."
    ),
    "paths.none": "{run}: no finite gradient arrived at the input.",
    "paths.alt": "Paths, gradient per path and share of the gradient by length. {said}",
    "table.paths": "Lengths of the gradient's paths, in blocks",
    "column.blocks": "Blocks",
    "column.path_mean": "Mean length",
    "column.path_middle": "Middle half",
    "column.path_nearly_all": "99 % of it",
    "blocks.one": "1 block",
    "blocks.many": "{n} blocks",
    "finding.shattered": (
        "{subject}: behind {layers} the gradients of different inputs have next to nothing in common: their "
        "correlation at the input is {correlation}, below {threshold}."
    ),
    "finding.shattering_unclear": (
        "Whether the gradients of {subject} shatter is open: behind {layers} the correlation between different inputs "
        "is {correlation}, an interval that holds the threshold, {threshold}."
    ),
    "finding.gradients_agree": (
        "{subject}: the gradients of different inputs do not shatter: their correlation at the input, behind {layers}, "
        "is {correlation}; the threshold is {threshold}."
    ),
    "cause.shattering": (
        "Two inputs share half of the units that are active for one of them, so that without shortcuts each layer of "
        "rectifiers behind batch norm halves the correlation; with residual connections it falls as a power of the "
        "depth (Balduzzi et al. 2017)."
    ),
}
