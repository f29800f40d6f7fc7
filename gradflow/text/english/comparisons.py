"""Words of figures that compare: variants, published errors, errors along training, panels left out; in English."""

from __future__ import annotations

from collections.abc import Mapping

COMPARISONS: Mapping[str, str] = {
    "figure.published": "published: {source}",
    "figure.illustrative": "{family}, illustrative, not measured: {source}",
    "figure.difference.of": "difference, {settings}",
    "figure.own_axes": "axes differ from panel to panel",
    "figure.some_networks": "{shown} of {n} networks",
    "figure.learning.title": "Do deeper networks fit worse, all along?",
    "figure.learning.train": "training error (thin)",
    "figure.learning.test": "test error (bold)",
    "figure.learning_mean": "mean, n = {n} seeds; intervals not drawn",
}
