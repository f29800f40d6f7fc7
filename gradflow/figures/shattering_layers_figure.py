"""Where in a network do gradients of different inputs fall apart? Their correlation by layer."""

from __future__ import annotations

from gradflow.analysis.shattering import shattering_by_layer
from gradflow.figures.columns import Data, frame_of, require
from gradflow.figures.model import Axis, Figure, Layout, Mark
from gradflow.figures.seed_words import bands_text
from gradflow.text import text

_COLUMNS = ("family", "depth", "layers_after", "mean", "low", "high", "n")
_SOURCE = "gradflow.analysis.shattering.shattering_by_layer"
_FOOT, _TOP = -0.05, 1.03  # of the axis; correlations of gradients that share nothing scatter around 0


def shattering_layers(frame: Data) -> Figure:
    """Return the correlation between the gradients of different inputs against the layers that they have come through.

    Look at it to see where in a network the gradients fall apart: without shortcuts and with batch norm each layer
    halves their correlation, with residual connections it falls slowly.

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.shattering.shattering_by_layer`. Bands are 95 % intervals.
    """
    frame = frame_of(frame, shattering_by_layer)
    require(frame, _COLUMNS, _SOURCE)
    last = max(1.0, float(frame["layers_after"].max()))
    limits = min(_FOOT, 1.1 * float(frame["mean"].min())), _TOP
    return Figure(
        "shattering",
        title=text("shattering.title"),
        rows=frame,
        x=Axis("layers_after", text("figure.shattering.layers"), "whole", limits=(0.0, last)),
        y=Axis("mean", text("figure.shattering.at_layer"), limits=limits),
        marks=(Mark("band"), Mark("line")),
        note=text("figure.mean", seeds=bands_text(frame)),
        layout=Layout(height=2.5, margins={"top": 0.08}),
        told={"layers_after": text("live.layers_after")},
    )
