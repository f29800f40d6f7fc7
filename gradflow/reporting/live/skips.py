"""What comes back through the skip at each join, from the input to the output."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from gradflow.reporting.live.bands import bands_note, linear_band
from gradflow.reporting.live.families import family_choice
from gradflow.reporting.live.figure import Live, Option, Scale, Spec, select
from gradflow.reporting.live.pieces import (
    by_network,
    dots,
    figure,
    layered,
    narrowed,
    palette,
    signals,
    told,
    whole_x,
)
from gradflow.reporting.live.thinning import few_steps
from gradflow.text import text

MOST_STEPS = 12


def skips(frames: Mapping[str, pd.DataFrame]) -> Live | None:
    """Return the figure, or None if nothing was measured.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        By measure, from `gradflow.analysis.contribution_over_seeds`, at all recorded steps.
    """
    parts = [frame[frame["mean"].notna()].assign(measure=measure) for measure, frame in frames.items()]
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if rows.empty:
        return None
    steps = few_steps(rows["step"].unique().tolist(), MOST_STEPS)
    rows = rows[rows["step"].isin(steps)].assign(seed="")
    tones = palette(rows)
    rows = tones.on(rows).sort_values(["measure", "step", "network", "order"], kind="stable")
    rows = rows.assign(place=rows.groupby(["measure", "step", "network"])["order"].rank().astype("int64"))
    options = [Option(one, text(f"live.share.{one}")) for one in frames if (rows["measure"] == one).any()]
    scales = tuple(
        Scale({"measure": str(measure), "step": str(step)}, _limits(drawn))
        for (measure, step), drawn in rows.groupby(["measure", "step"])
    )
    first = next(scale for scale in scales if scale.when["measure"] == options[0].value)
    spec = figure(_body(by_network(tones), float(rows["place"].max())), height=300, params=signals(first.signals))
    controls = (
        *select("measure", text("live.measure"), options),
        *select("step", text("live.step"), [Option(str(step), _moment(step)) for step in steps]),
        *family_choice(rows),
    )
    columns = [
        "measure",
        "step",
        "seed",
        "family",
        "network",
        "tone",
        "line",
        "place",
        "join",
        "mean",
        "low",
        "high",
        "n",
    ]
    return Live("skips", spec, narrowed(spec, 280), rows[columns], controls, bands_note(rows["low"]), scales)


def _limits(rows: pd.DataFrame) -> dict[str, float]:
    drawn = rows[["mean", "low", "high"]]
    low, high = min(0.0, float(drawn.min().min())), float(drawn.max().max())
    return {"bottom": low, "top": high * 1.05 or 1.0}


def _moment(step: int) -> str:
    return text("live.start") if step == 0 else text("live.after", step=step)


def _body(network: Spec, last: float) -> Spec:
    y: Spec = {
        "field": "mean",
        "type": "quantitative",
        "title": text("live.skip_axis"),
        "scale": {"domain": [{"expr": "bottom"}, {"expr": "top"}], "nice": False},
    }
    tooltip = told(
        network=text("column.network"),
        join=text("live.join_name"),
        mean__number=text("live.value"),
        low__number=text("live.low"),
        high__number=text("live.high"),
        n=text("column.n"),
    )
    shared = {"x": whole_x("place", text("live.join"), last), "y": y, **network}
    return {"layer": layered([linear_band(y), {"mark": {"type": "line"}}, dots(tooltip)], shared)}
