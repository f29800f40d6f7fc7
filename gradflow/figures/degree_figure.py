"""Does the gradient's slope over depth last? First over last layer at moments of training."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gradflow.analysis.vanishing_degree import degree as degree_of
from gradflow.analysis.vanishing_degree import degree_over_seeds
from gradflow.figures.columns import Data, frame_of, require
from gradflow.figures.model import Axis, Facet, Figure, Layout, Mark
from gradflow.figures.names import called
from gradflow.figures.seed_words import bands_text
from gradflow.text import text
from gradflow.text.words import heading

MEASURES = ("out_grad_norm", "grad_norm", "grad_times_weight")
_END = "end"  # the moment that comes after all numbered ones
_COLUMNS = ("family", "depth", "measure", "moment", "steps", "decades", "decades_low", "decades_high", "decades_n")
_SOURCE = "gradflow.analysis.degree_over_seeds"


def degree(frame: Data, measure: str | None = None) -> Figure:
    """Return the first layer's gradient over the last one's at moments of training, one line per network.

    Above 1 the gradient is larger at the input, below 1 it vanishes toward it. A line that crosses 1 is a network whose
    profile before training says nothing of the one after.

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.degree_over_seeds`. Points are means over seeds, bands 95 % intervals.
    measure : str, optional
        out_grad_norm, grad_norm or grad_times_weight alone; by default each of them that has decades.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows of the measure.

    Notes
    -----
    Moments stand at equal distances; lines between them guide the eye. Ends of a network that have no gradient, or
    an infinite one, have no logarithm and leave a gap.
    """
    frame = frame_of(frame, lambda runs: degree_over_seeds(degree_of(runs)))
    require(frame, _COLUMNS, _SOURCE)
    every = per_network(frame)
    known = every[every["decades"].notna()]
    measures = [measure] if measure else [name for name in MEASURES if name in set(known["measure"])]
    rows = every[every["measure"].isin(measures)]
    require(rows, _COLUMNS, _SOURCE)
    order = [moment for moment in moments(frame) if moment in set(known["moment"])]
    # Where one network has no logarithm its row stays, so that the line has a gap there.
    rows = rows[rows["moment"].isin(order)]
    rows = rows.sort_values("moment", key=lambda moments: moments.map(order.index), kind="stable")
    rows = rows[[*_COLUMNS]].rename(columns={"decades_low": "low", "decades_high": "high", "decades_n": "n"})
    titles = {name: called(f"figure.degree.{name}", name) for name in measures}
    names = {moment: moment_name(frame, moment) for moment in order}
    return Figure(
        "degree",
        title=text("figure.degree.title"),
        subtitle=text("figure.degree.subtitle"),
        rows=rows.assign(when=rows["moment"].map(names)),
        x=Axis("when", text("figure.step"), "places", names=tuple(names.values())),
        y=Axis(
            "decades",
            text("figure.degree.y"),
            "powers",
            short=text("figure.degree.y_short"),
            name=heading("decades"),
            ends=(0.0,),
        ),
        marks=(Mark("level"), Mark("band"), Mark("line", has_dots=True)),
        note=text("figure.mean", seeds=bands_text(rows)),
        layout=Layout(height=2.0),
        facets=(Facet("measure", text("live.gradient"), titles, titles),),
        told={"steps": text("live.step")},
        hint=text("live.degree_note"),
    )


def per_network(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per network, measure and moment: decades are the network's, whatever the stage."""
    found = frame.drop_duplicates(["family", "depth", "measure", "moment"])
    return found.assign(decades=found["decades"].where(np.isfinite(found["decades"])))


def moments(frame: pd.DataFrame) -> list[str]:
    """Return the moments in the order of training."""
    found = set(frame["moment"])
    return sorted(found, key=lambda moment: (moment == _END, int(moment) if moment.isdigit() else 0))


def moment_name(frame: pd.DataFrame, moment: str) -> str:
    """Return the steps that stand for a moment, where all networks have the same, else the moment."""
    steps = frame.loc[frame["moment"] == moment, "steps"].unique()
    return str(steps[0]) if len(steps) == 1 and "," not in steps[0] else moment
