"""Do weights outgrow the learning rate? Norms and effective learning rates against the step."""

from __future__ import annotations

import pandas as pd

from gradflow.analysis.weights import weight_growth, weight_growth_over_seeds
from gradflow.analysis.weights import weights as weights_of
from gradflow.figures.columns import Several, each, frames_of, require
from gradflow.figures.model import Axis, Facet, Figure, Layout, Mark
from gradflow.figures.names import called
from gradflow.figures.seed_words import bands_text
from gradflow.text import text
from gradflow.text.words import heading

_COLUMNS = ("family", "depth", "step", "mean", "low", "high", "n", "n_zero", "n_nonfinite")
_SOURCE = "gradflow.analysis.weight_growth_over_seeds"
_LAYOUT = Layout(height=2.0, wide=2, narrow=1, margins={"left": 0.62, "columns": 0.5})


def weights(frames: Several, measure: str = "first_growth") -> Figure:
    """Return weight growth or the effective learning rate against the step, one line per network, on log axes.

    A first layer that grows by orders of magnitude in the first steps, while its effective learning rate falls by the
    square of that, is a network that stalls; two lines that stay level tell it from a learning rate that is too low.

    Parameters
    ----------
    frames : DataFrame, mapping of str to DataFrame, or recordings
        From `gradflow.analysis.weight_growth_over_seeds`; several by measure. Lines are geometric means, bands 95 %
        intervals.
    measure : str
        What a single frame holds; of recordings, what is drawn.

    Raises
    ------
    ValueError
        A frame lacks a column or has no rows, or no weight norm was recorded.
    """
    parts = []
    found = frames_of(frames, lambda runs: weight_growth_over_seeds(weight_growth(weights_of(runs)), measure))
    for one, argument, frame in each(found, measure):
        require(frame, _COLUMNS, _SOURCE, argument)
        measured = frame[(frame["n"] > 0) | (frame["n_zero"] > 0) | (frame["n_nonfinite"] > 0)]
        require(measured, _COLUMNS, "gradflow.record(weights=True), which records weight norms", argument)
        parts.append(measured.assign(measure=one))
    rows = pd.concat(parts, ignore_index=True)
    measures = list(dict.fromkeys(rows["measure"]))
    names = {measure: called(f"live.weight.{measure}", measure) for measure in measures}
    titles = {measure: called(f"figure.weights.{measure}", measure) for measure in measures}
    return Figure(
        "weights",
        title=text("figure.weights.title"),
        subtitle=text("figure.weights.subtitle"),
        rows=rows,
        x=Axis("step", text("figure.step_log"), "steps"),
        y=Axis("mean", text("live.weights_axis"), "log"),
        marks=(Mark("band"), Mark("line")),
        note=text("figure.geometric_mean", seeds=bands_text(rows)),
        layout=_LAYOUT,
        facets=(Facet("measure", heading("measure"), names, titles, shares_y=False),),
        told={"step": text("live.step")},
    )
