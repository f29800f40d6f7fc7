"""What the probes find, in English."""

from __future__ import annotations

from collections.abc import Mapping

PROBES: Mapping[str, str] = {
    "finding.shattered": (
        "{subject}: behind {layers} the gradients of different inputs have next to nothing in common: their "
        "correlation at the input is {correlation}, below {threshold}."
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
