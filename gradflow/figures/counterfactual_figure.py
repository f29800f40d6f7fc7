"""What would the gradient be without what the skips send back? As it is, and without the share of either path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from gradflow.analysis.contribution import counterfactual as counterfactual_of
from gradflow.analysis.contribution import counterfactual_over_seeds
from gradflow.figures.columns import Data, frame_of, require
from gradflow.figures.looks import NEUTRAL, Look, each_network
from gradflow.figures.model import Axis, Facet, Figure, Layout, Mark
from gradflow.figures.names import printed
from gradflow.figures.panel_limit import few_enough, networks_note
from gradflow.figures.seed_words import bands_text
from gradflow.text import text
from gradflow.text.words import heading, named, word

_COLUMNS = ("family", "depth", "variant", "layer_depth", "mean", "low", "high", "n", "n_zero", "n_nonfinite")
_SOURCE = "gradflow.analysis.counterfactual_over_seeds"
# Colour is free: a panel holds one network. As it is is drawn last, on top.
VARIANTS: Mapping[str, dict[str, Any]] = {
    "as it is": {"color": NEUTRAL, "linestyle": "-"},
    "without skips": {"color": "#D55E00", "linestyle": (0, (4, 1.6))},
    "without branches": {"color": "#0072B2", "linestyle": (0, (6, 1.5, 1, 1.5))},
    "plain twin": {"color": "#A65085", "linestyle": (0, (1, 1.4))},
}


def counterfactual(frame: Data, *, where: str = "", every: bool = False) -> Figure:
    """Return each network's activation gradient as it is, without the skips' and without the branches' share.

    Backward only: what the skips (or the branches) send back is removed at every join, on the same weights and
    activations, which keep their skips. It is not the gradient of a network built without skips: that is the plain
    twin's.

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.counterfactual_over_seeds`.
    where : str
        Where shares were removed ("at the joins layer3.*"), if not at every join.
    every : bool
        Whether all networks are drawn, each on an axis of its own: a reader chooses one.
    """
    frame = frame_of(frame, lambda runs: counterfactual_over_seeds(counterfactual_of(runs)))
    require(frame, _COLUMNS, _SOURCE)
    shown = frame if every else few_enough(frame)
    networks = {look.label: rows for look, rows in each_network(shown)}
    rows = pd.concat([own.assign(network=name, line=own["variant"]) for name, own in networks.items()])
    drawn = set(rows["variant"])
    seeds = bands_text(shown)
    notes = [text("figure.without.where" if where else "figure.without.note", seeds=seeds, where=printed(where))]
    notes += [text("figure.without.twin")] if "plain twin" in drawn else []
    notes += filter(None, [networks_note(shown, frame)])
    return Figure(
        "skips-without",
        title=text("figure.without.title"),
        subtitle=text("figure.without.subtitle"),
        rows=rows,
        x=Axis("layer_depth", text("figure.layer_depth_long"), "depth", text("figure.layer_depth_short")),
        y=Axis("mean", text("figure.measure.out_grad_norm"), "log", text("figure.gradient_norm"), text("live.norm")),
        marks=(Mark("band"), Mark("line")),
        note="\n".join(notes),
        layout=Layout(height=2.1),
        facets=(Facet("network", heading("network"), {name: named(name) for name in networks}, shares_y=not every),),
        told={"layer_depth": heading("layer")},
        series=text("live.gradient"),
        looks={name: Look(**look, marker="", label=word(name)) for name, look in VARIANTS.items() if name in drawn},
    )
