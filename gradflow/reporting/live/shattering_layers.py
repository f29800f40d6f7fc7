"""How far gradients of different inputs agree by layer, on a screen."""

from __future__ import annotations

import pandas as pd

from gradflow.figures.shattering_layers import shattering_layers as described
from gradflow.reporting.live.figure import Live
from gradflow.reporting.live.screen import live


def shattering_layers(frame: pd.DataFrame) -> Live | None:
    """Return `gradflow.figures.shattering_layers` of a frame without what was not measured."""
    return live(described(frame), 320)
