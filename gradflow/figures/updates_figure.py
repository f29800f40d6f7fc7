"""Are updates too large or too small? Their norm over that of the weights, against the step."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from gradflow.analysis.updates import updates as updates_of
from gradflow.analysis.updates import updates_over_seeds
from gradflow.figures.columns import Data, frame_of, require
from gradflow.figures.looks import NEUTRAL, Look, each_network
from gradflow.figures.model import Axis, Facet, Figure, Layout, Mark
from gradflow.figures.panel_limit import few_enough, networks_note
from gradflow.figures.seed_words import bands_text
from gradflow.text import text
from gradflow.text.words import heading, named

_COLUMNS = ("family", "depth", "step", "of", "mean", "low", "high", "n", "n_zero", "n_nonfinite")
_SOURCE = "gradflow.analysis.updates_over_seeds"
USUAL = 1e-3  # the notes of Stanford's CS231n, "Neural Networks Part 3", call it a rough heuristic
_LOOKS: Mapping[str, tuple[str, str | tuple[float, tuple[float, ...]]]] = {
    "largest": ("#D55E00", (0, (4, 1.6))),
    "median": (NEUTRAL, "-"),
    "smallest": ("#0072B2", (0, (1, 1.4))),
}
_GUIDE = Look(NEUTRAL, (0, (1, 3)), "", "")


def updates(frame: Data, *, every: bool = False) -> Figure:
    """Return the norm of updates over that of the weights against the step: smallest, median and largest layer.

    Lines far above 1e-3 are a learning rate that is too high, lines far below it one that is too low; a smallest layer
    far below the median is a layer that hardly learns. The guide of 1e-3 is a rule of thumb from the notes of
    Stanford's CS231n ("Neural Networks Part 3", ratio of weights to updates): orders of magnitude count, not factors.

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.updates_over_seeds`. Lines are geometric means, bands 95 % intervals.
    every : bool
        Whether all networks are drawn, each on an axis of its own: a reader chooses one.

    Raises
    ------
    ValueError
        The frame lacks a column or has no rows, as that of recordings made without `weights=True`.
    """
    frame = frame_of(frame, lambda runs: updates_over_seeds(updates_of(runs)))
    require(frame, _COLUMNS, _SOURCE)
    shown = frame if every else few_enough(frame)
    networks = {look.label: rows for look, rows in each_network(shown)}
    rows = pd.concat([own.assign(network=name, line=own["of"]) for name, own in networks.items()])
    notes = [text("figure.geometric_mean", seeds=bands_text(shown)), networks_note(shown, frame)]
    return Figure(
        "updates",
        title=text("figure.updates.title"),
        subtitle=text("figure.updates.subtitle"),
        rows=rows,
        x=Axis("step", text("figure.step")),
        y=Axis("mean", text("figure.updates.y"), "log", text("figure.updates.y_short"), ends=(USUAL,)),
        marks=(
            Mark("level", value=USUAL, look=_GUIDE, label=text("figure.updates.usual"), width=0.8),
            Mark("band"),
            Mark("line"),
        ),
        note="\n".join(filter(None, notes)),
        layout=Layout(height=2.1),
        facets=(Facet("network", heading("network"), {name: named(name) for name in networks}, shares_y=not every),),
        told={"step__number": text("live.step")},
        series=heading("layer"),
        looks={name: Look(*look, marker="", label=text(f"figure.updates.{name}")) for name, look in _LOOKS.items()},
        hint=text("figure.updates.dotted"),
    )
