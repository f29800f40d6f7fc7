"""What do the skip connections carry? Their share of the gradient, and the branches' of the activation, along depth."""

from __future__ import annotations

from gradflow.analysis.contribution import contribution as contribution_of
from gradflow.analysis.contribution import contribution_over_seeds
from gradflow.figures.columns import Several, frames_of, joined
from gradflow.figures.model import Axis, Facet, Figure, Layout, Mark
from gradflow.figures.moments import steps_facet
from gradflow.figures.names import called
from gradflow.figures.seed_words import bands_text
from gradflow.text import text
from gradflow.text.words import heading

SHARE, RATIO = "skip_share", "branch_ratio"
_COLUMNS = ("family", "depth", "step", "order", "kind", "mean", "low", "high", "n")
_SOURCE = "gradflow.analysis.contribution_over_seeds"
_MARKERS = {"identity": "o", "projection": "s", "concatenation": "^"}


def contribution(frames: Several, measure: str = SHARE, *, moment: str = "") -> Figure:
    """Return measures of every residual join against its place, one line per network.

    The share tells how much of the gradient at a block's input came back through the skip: at 100 % the branch adds
    nothing, at 0 % the skip might as well not be there. `|F(x)| / |x|` tells forward how near the block is to the
    identity.

    Parameters
    ----------
    frames : DataFrame, mapping of str to DataFrame, or recordings
        From `gradflow.analysis.contribution_over_seeds`; several by measure. Bands are 95 % intervals.
    measure : "skip_share" or "branch_ratio"
        What a single frame holds; of recordings, what is drawn.
    moment : str
        When it was measured ("before training"), where there is more than one moment.
    """
    found = frames_of(frames, lambda runs: contribution_over_seeds(contribution_of(runs), measure))
    rows = joined(found, measure, _COLUMNS, _SOURCE).assign(place=lambda rows: rows["order"] + 1)
    measures = list(dict.fromkeys(rows["measure"]))
    axes = {one: _axis(one) for one in measures}
    names = {one: called(f"live.share.{one}", one) for one in measures}
    titles = {one: text("figure.skips.backward" if one == SHARE else "figure.skips.forward") for one in measures}
    last = int(rows["order"].max()) + 1
    return Figure(
        "skips",
        title=text("figure.skips.title"),
        subtitle=text("list.separator").join(filter(None, (moment, text("figure.skips.subtitle")))),
        rows=rows,
        x=Axis("place", text("figure.skips.x"), "whole", limits=(0.5, last + 0.5)),
        y=Axis("mean", text("live.skip_axis"), ends=(0.0,)),
        marks=(Mark("band"), Mark("line", markers=_MARKERS)),
        note=bands_text(rows[rows["measure"] == measures[0]]),
        layout=Layout(height=2.1, wide=2, narrow=1, margins={"columns": 0.75}),
        facets=(
            Facet("measure", heading("measure"), names, titles, y=axes, shares_y=False),
            steps_facet(rows),
        ),
        told={"join": text("live.join_name")} if "join" in rows else {},
    )


def _axis(measure: str) -> Axis:
    title = called(f"figure.skips.{measure}", measure)
    if measure == SHARE:
        return Axis("mean", title, "fraction", ends=(0.0, 1.0))
    return Axis("mean", title, "log" if measure == RATIO else "linear")
