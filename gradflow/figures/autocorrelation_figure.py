"""How alike are gradients along a line of inputs? Their autocorrelation, beside that of brown and white noise."""

from __future__ import annotations

from typing import Any

from gradflow.analysis.shattering import autocorrelation_by_lag
from gradflow.figures.columns import Data, frame_of, require
from gradflow.figures.looks import FAINT, Look
from gradflow.figures.model import Axis, Facet, Figure, Guide, Layout, Mark
from gradflow.figures.seed_words import bands_text
from gradflow.figures.shattering_figure import norm_name
from gradflow.text import text
from gradflow.text.words import heading
from gradflow.theory.correlation import brown_noise, white_noise

_COLUMNS = ("family", "norm", "depth", "lag", "mean", "low", "high", "n", "points")
_SOURCE = "gradflow.analysis.shattering.autocorrelation_by_lag"
_LOWEST, _HIGHEST = -0.2, 1.05
_NOISE: dict[str, tuple[Any, Any]] = {
    "brown": (brown_noise, (0, (5, 1, 1, 1))),
    "white": (white_noise, (0, (1, 1))),
}


def autocorrelation(frame: Data) -> Figure:
    """Return the autocorrelation of the input gradient along a line of inputs, one line per network.

    A gradient that is like brown noise can be followed from one input to the next; one that is like white noise
    cannot.

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.shattering.autocorrelation_by_lag`. Bands are 95 % intervals.
    """
    frame = frame_of(frame, autocorrelation_by_lag)
    require(frame, _COLUMNS, _SOURCE)
    points, last = int(frame["points"].max()), int(frame["lag"].max())
    lags = tuple(float(lag) for lag in range(last + 1))
    guides = [
        Guide(Look(FAINT, dashes, "", text(f"figure.noise.{name}")), lags, tuple(noise(points, last).tolist()))
        for name, (noise, dashes) in _NOISE.items()
    ]
    lowest = min(_LOWEST, float(frame[["mean", "low"]].min().min()))
    rows = frame.sort_values("norm", kind="stable").assign(norm=lambda rows: rows["norm"].map(norm_name))
    return Figure(
        "autocorrelation",
        title=text("figure.autocorrelation.title"),
        subtitle=text("figure.autocorrelation.subtitle"),
        rows=rows,
        x=Axis("lag", text("figure.autocorrelation.x"), "depth"),
        y=Axis("mean", text("figure.autocorrelation.y"), limits=(lowest, _HIGHEST)),
        marks=(Mark("band"), Mark("line")),
        note=text("figure.mean", seeds=bands_text(frame)),
        layout=Layout(height=1.9),
        facets=(Facet("norm", heading("norm"), {norm: norm for norm in rows["norm"].unique()}),),
        told={"lag": text("live.lag")},
        guides=tuple(guides),
    )
