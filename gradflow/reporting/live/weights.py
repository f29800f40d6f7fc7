"""Weight growth and effective learning rate of the first layer against the step."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from gradflow.reporting.live.bands import MOST_BANDS, band, bands_note
from gradflow.reporting.live.families import family_choice
from gradflow.reporting.live.figure import Live, Option, Spec, select
from gradflow.reporting.live.pieces import (
    by_network,
    dots,
    figure,
    layered,
    limits,
    log_range,
    log_y,
    narrowed,
    palette,
    told,
    whole_x,
)
from gradflow.reporting.live.thinning import even_steps
from gradflow.text import text

MOST_STEPS = 150


def weights(frames: Mapping[str, pd.DataFrame]) -> Live | None:
    """Return the figure, or None if there is no frame.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        By measure, from `gradflow.analysis.weight_growth_over_seeds`.
    """
    parts, options = [], []
    for measure, frame in frames.items():
        kept = frame[frame["step"].isin(even_steps(frame["step"].unique().tolist(), MOST_STEPS)) & (frame["mean"] > 0)]
        if len(kept):
            parts.append(kept.assign(measure=measure, seed=""))
            ends = log_range(pd.concat([kept["mean"], kept["low"], kept["high"]]))
            options.append((ends, Option(measure, text(f"live.weight.{measure}"), ends.signals())))
    if not parts:
        return None
    rows = pd.concat(parts, ignore_index=True)
    tones = palette(rows)
    rows = tones.on(rows)
    draws_bands = len(tones.by_network) <= MOST_BANDS
    body = _body(by_network(tones), float(rows["step"].max()), draws_bands=draws_bands)
    spec = figure(body, height=300, params=limits(options[0][0]))
    controls = (
        *select("measure", text("live.measure"), [option for _, option in options]),
        *family_choice(rows),
    )
    columns = ["measure", "seed", "family", "network", "tone", "line", "step", "mean", "low", "high", "n"]
    note = bands_note(rows["low"], draws_bands=draws_bands)
    return Live("weights", spec, narrowed(spec, 280), rows[columns], controls, note)


def _body(network: Spec, last: float, *, draws_bands: bool) -> Spec:
    title = text("live.weights_axis")
    tooltip = told(
        network=text("column.network"),
        step=text("live.step"),
        mean__number=text("live.value"),
        low__number=text("live.low"),
        high__number=text("live.high"),
        n=text("column.n"),
    )
    parts = [*([band(title)] if draws_bands else []), {"mark": {"type": "line"}}, dots(tooltip)]
    shared = {"x": whole_x("step", text("live.training_step"), last, 0), "y": log_y("mean", title), **network}
    return {"layer": layered(parts, shared)}
