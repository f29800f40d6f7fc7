"""Limits of the rules, from the networks of the split "choose" alone."""

from __future__ import annotations

import pandas as pd

from .outcomes import UPDATES, signs_of

# Sign and margin: a limit lies below that of every network that did train, by the margin. Decades have a margin in
# decades; the others, which span decades, a factor.
#   gradient_decades: hardly any gradient reaches the first layers.
#   unlikeness: the last layer is given the same vector for every sample.
DOOMED = (("gradient_decades", 0.5), ("unlikeness", 3.0))
# Tried and left out, on networks that no count rests on:
# - the span of all layers' gradients separates the study's networks best, but it is 2 to 5 decades in the usual
#   transformers, whose query and key projections have small gradients, and 3 in resnet50;
# - a gradient that grows towards the input: networks with it train, if the loss stays finite;
# - the largest |update| / |weights| of the first step: 3 in resnet50, 6 in mnasnet0_5; weights that a batch norm
#   follows survive it;
# - how little the gradient changes when labels are shuffled: finds nothing that unlikeness does not.
DIVERGED = {"sign": "diverged", "updates": 0, "side": "above", "limit": 0.5}
# Without it a network counts as learning whose weights have been thrown far away, with errors down by luck.
LOWER_LOSS = {"sign": "relative_loss", "updates": UPDATES, "side": "below", "limit": 1.0}
LARGEST_ERROR = 0.5  # of chance, for will train
ERROR_MARGIN = 0.8  # of the smallest relative error with which a network failed


def choose(frame: pd.DataFrame) -> dict[str, list[dict]]:
    """Return the rules of both verdicts."""
    signs = signs_of(frame)
    rules = [DIVERGED]
    for sign, margin in DOOMED:
        smallest = float(signs[sign][~frame.failed].min())
        limit = round(smallest - margin, 2) if sign.endswith("decades") else float(f"{smallest / margin:.2g}")
        rules.append({"sign": sign, "updates": UPDATES, "side": "below", "limit": limit})
    return {"doomed": rules, "will train": [_hope(frame, signs, rules), LOWER_LOSS]}


def _hope(frame: pd.DataFrame, signs: pd.DataFrame, rules: list[dict]) -> dict:
    """Return the rule of will train, among networks that no rule of doomed meets."""
    met = [signs[r["sign"]] < r["limit"] if r["side"] == "below" else signs[r["sign"]] > r["limit"] for r in rules]
    left = frame.failed & ~pd.concat(met, axis=1).any(axis=1)
    smallest = float(signs.relative_error[left].min())
    limit = round(min(LARGEST_ERROR, ERROR_MARGIN * smallest), 3)
    return {"sign": "relative_error", "updates": UPDATES, "side": "below", "limit": limit}
