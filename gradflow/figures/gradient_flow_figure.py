"""Which layers get how much gradient? A bar a layer, by name."""

from __future__ import annotations

import pandas as pd

from gradflow.analysis.gradient_flow import gradient_flow as gradient_flow_of
from gradflow.figures.columns import Data, counted, frame_of, require
from gradflow.figures.looks import Look
from gradflow.figures.model import Axis, Facet, Figure, Layout, Mark
from gradflow.figures.names import run_name
from gradflow.figures.profile_figure import measure_name
from gradflow.text import text
from gradflow.text.words import head, heading

_COLUMNS = ("run", "family", "depth", "seed", "layer", "layer_depth", "median", "largest", "n")
_SOURCE = "gradflow.analysis.gradient_flow"
_LOOKS = {"median": ("#2c4a8a", "-"), "largest": ("#b9c7e8", "-")}  # the median in front of the largest


def gradient_flow(frame: Data, measure: str = "grad_norm", *, step: int | None = None) -> Figure:
    """Return the median and the largest gradient norm of each layer over the recorded steps, as bars on a log axis.

    Bars that shrink towards the input (left) are a vanishing gradient, bars that grow towards it an exploding one; a
    layer without a bar and with a triangle never had a gradient other than zero.

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.gradient_flow`. Of one step there is one bar a layer.
    measure : str
        What the frame holds; of recordings, what is drawn.
    step : int, optional
        Of recordings: that step alone, by default all that were recorded.
    """
    frame = frame_of(frame, lambda runs: gradient_flow_of(runs, measure=measure, step=step))
    require(frame, _COLUMNS, _SOURCE)
    steps = sorted({int(n) for n in frame["n"]})
    names = list(_LOOKS) if steps[-1] > 1 else ["median"]
    parts = [frame.assign(line=name, norm=frame[name]) for name in names[::-1]]  # behind, then in front
    rows = pd.concat(parts, ignore_index=True)
    rows = counted(rows, rows["norm"])
    runs = {str(row["run"]): run_name(row) for row in frame.drop_duplicates("run").to_dict("records")}
    labels = {"median": text("figure.flow.median"), "largest": text("figure.flow.largest")}
    return Figure(
        "gradient-flow",
        title=text("figure.flow.title"),
        rows=rows,
        x=Axis("layer", head("layer"), "layers", names=tuple(dict.fromkeys(frame["layer"]))),
        y=Axis("norm", measure_name(measure), "log", text("figure.gradient_norm"), heading("norm")),
        marks=(Mark("bar"),),
        note=text("figure.flow.note", n=steps[-1]) if steps[-1] > 1 else "",
        layout=Layout(height=2.4, wide=1, narrow=1),
        facets=(Facet("run", heading("network"), runs),),
        told={"layer": heading("layer"), "n": text("figure.flow.steps")},
        series=text("figure.flow.over"),
        looks={name: Look(*_LOOKS[name], marker="", label=labels[name]) for name in names},
    )
