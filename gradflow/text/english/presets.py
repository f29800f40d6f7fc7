"""Titles, questions and scalings of the presets, in English; those of a user's own sweep stay as they are."""

from __future__ import annotations

from collections.abc import Mapping

PRESETS: Mapping[str, str] = {
    "preset.balduzzi2017-shattering.title": "Balduzzi et al. 2017, shattering",
    "preset.balduzzi2017-shattering.question": (
        "Do gradients of different inputs agree less and less with depth, and do skips slow that?"
    ),
    "preset.he2015-fig6.title": "He et al. 2015, figure 6",
    "preset.he2015-fig6.question": (
        "Does the training error of plain networks rise with depth, and that of residual ones fall?"
    ),
    "preset.he2015-table6.title": "He et al. 2015, table 6",
    "preset.he2015-table6.question": "What test error do residual networks of 20 to 110 layers reach?",
    "preset.smoke.title": "Smoke test",
    "preset.smoke.question": "Does a short comparison run from end to end, and what does it show?",
    "preset.tutorial.title": "The tutorial's comparison",
    "preset.tutorial.question": "Does a plain network's error rise with depth where a residual one's does not?",
    "preset.veit2016-paths.title": "Veit et al. 2016, effective paths",
    "preset.veit2016-paths.question": (
        "How long are the paths that the gradient takes through a trained residual network?"
    ),
    "preset.how.units": "up to 16 blocks of 64 units",
    "preset.how.digits": (
        "digits of 8x8 pixels in place of CIFAR-10, half the widths, 300 updates of 64 images at a "
        "rate of 0.02 (cosine), no augmentation"
    ),
    "preset.how.half": "half the widths, 150 updates in place of 300",
}
