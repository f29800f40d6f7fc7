"""Where do gradients, weights and outputs lie? A ridge a layer over orders of magnitude, a colour a step."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, to_hex

from gradflow.analysis.distributions import KINDS
from gradflow.analysis.distributions import distributions as distributions_of
from gradflow.figures.columns import Data, frame_of, require, require_columns
from gradflow.figures.looks import Look
from gradflow.figures.model import Axis, Facet, Figure, Layout, Mark
from gradflow.figures.names import run_name
from gradflow.text import text
from gradflow.text.numbers import number, power_of_ten, share
from gradflow.text.words import heading, named, sentences

_COLUMNS = (
    "run", "family", "depth", "seed", "kind", "step", "layer", "weighted", "n_params",
    "low", "high", "negative", "positive", "zeros", "nonfinite", "n",
)  # fmt: skip
_SOURCE = "gradflow.analysis.distributions"
MAX_LAYERS = 20  # rows of a panel
_TAIL = 0.005  # of the entries of a layer that are left out, the smallest ones
_HALF = 0.46  # of the distance of two rows, that a ridge rises at most, and falls
_SLOT, _GAP = 0.07, 0.03  # of the axis of magnitudes, for zeros and what is not finite, and before it
_APART = 1e-6  # decades by which neighbouring bins may seem to be apart
_DECADES = 5  # ticks of that axis
_ROW, _FRAME, _OWN_TITLES = 0.17, 0.75, 0.64  # inches of a row, around those of a panel, and between panels
_EARLY_TO_LATE = LinearSegmentedColormap.from_list("steps", ("#e7a33e", "#c6506b", "#4b2e9e"))
_NONE = "–"  # what a pointer is told where there is no number
VALUES, ZEROS, NONFINITE = "values", "zeros", "nonfinite"
_BARS = Mark("band", of={"part": (ZEROS, NONFINITE)}, opacity=0.85)


def distributions(
    frame: Data,
    kind: str | None = None,
    *,
    layers: Iterable[str] | None = None,
    steps: Iterable[int] | Literal["recorded"] | None = None,
    every: bool = False,
) -> Figure:
    """Return the distribution of each layer's gradients, weights or output over orders of magnitude, a ridge a layer.

    A ridge rises with the share of the layer's entries for each decade: those above zero over the line of the layer,
    those below zero under it. Ridges that move left from layer to layer are a vanishing gradient, and the bar at "0"
    says how many entries are exactly zero. Each layer has a scale of its own, up to its highest point at any step.

    Parameters
    ----------
    frame : DataFrame or recordings
        From `gradflow.analysis.distributions`; recordings made with `gradflow.record(distributions=True)`.
    kind : str, optional
        "gradient", of a layer's parameters, "weight", these, or "activation", the layer's output; by default all.
    layers : iterable of str, optional
        Which layers. By default those that papers count, of outputs all layers, or, where these are more than twenty,
        those without parameters; of more than twenty as many evenly, and the figure says so.
    steps : iterable of int or "recorded", optional
        Which steps; by default at most six of those with distributions, evenly in logarithm.
    every : bool
        Whether all runs are drawn, of which a reader chooses one; otherwise it is the first.

    Raises
    ------
    ValueError
        There are no distributions, or none of a layer, of the kind or at a step that is asked for.
    """
    layers = None if layers is None else list(layers)
    frame = frame_of(frame, lambda runs: distributions_of(runs, kind=kind, layers=layers, steps=steps))
    require_columns(frame, _COLUMNS, _SOURCE)
    if not len(frame):
        raise ValueError("frame has no rows: distributions are recorded by gradflow.record(model, distributions=True).")
    frame = frame[frame["kind"] == kind] if kind else frame
    require(frame, _COLUMNS, _SOURCE)
    runs = {str(row["run"]): run_name(row) for row in frame.drop_duplicates("run").to_dict("records")}
    runs = runs if every else dict([*runs.items()][:1])
    frame = frame[frame["run"].isin(list(runs))]
    of_kinds = {one: frame[frame["kind"] == one] for one in KINDS if (frame["kind"] == one).any()}
    panels = {one: _panel(own if layers else few_layers(own, one), one) for one, own in of_kinds.items()}
    steps_shown = sorted({int(step) for step in frame["step"].unique()})
    names_of = {
        "gradient": text("fact.gradients"),
        "weight": text("figure.distributions.weights"),
        "activation": text("figure.distributions.outputs"),
    }
    names = {one: names_of[one] for one in panels}
    n_layers = {one: (len(panel.y.ticks), of_kinds[one]["layer"].nunique()) for one, panel in panels.items()}
    few = [
        text("figure.distributions.some_of", kind=names[one], shown=shown, n=n)
        for one, (shown, n) in n_layers.items()
        if shown < n
    ]
    some = [text("figure.distributions.some", layers=text("figure.list").join(few))] if few else []
    first = next(iter(panels.values()))
    return Figure(
        "distributions",
        title=text("figure.distributions.title"),
        rows=pd.concat([panel.rows for panel in panels.values()], ignore_index=True),
        x=first.x,
        y=first.y,
        marks=(*(mark for step in steps_shown for mark in _ridge(str(step))), _BARS),
        note="\n".join([text("figure.distributions.note"), *some]),
        layout=Layout(_ROW * max(shown for shown, _ in n_layers.values()) + _FRAME, 3, 1, {"rows": _OWN_TITLES}),
        facets=(
            Facet("run", heading("network"), runs),
            Facet(
                "kind",
                text("figure.distributions.kind"),
                names,
                x={one: panel.x for one, panel in panels.items()},
                y={one: panel.y for one, panel in panels.items()},
                shares_y=False,
            ),
        ),
        hint=sentences(text("figure.distributions.note"), *some),
        told={
            "layer": heading("layer"),
            "range": text("figure.distributions.range"),
            "above": text("figure.distributions.above"),
            "below": text("figure.distributions.below"),
            "zero": text("figure.distributions.zero"),
            "odd": text("figure.distributions.odd"),
            "n": text("figure.distributions.n"),
        },
        series=text("live.step"),
        looks=_looks(steps_shown),
        may_choose=True,
        each="ridge",
    )


def _ridge(step: str) -> list[Mark]:
    """Return the marks of one step, which lies in front of those before it."""
    of = {"part": (VALUES,), "step": (step,)}
    lines = [Mark("line", of=of, column=end, width=0.8) for end in ("high", "low")]
    return [Mark("band", of=of, opacity=0.12), *lines]


def few_layers(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the rows of at most so many layers as a panel has room for: those that say most, evenly."""
    every = frame.drop_duplicates("layer")
    chosen = every if kind == "activation" and len(every) <= MAX_LAYERS else _telling(every, kind)
    names = chosen["layer"].tolist()
    places = np.unique(np.linspace(0, len(names) - 1, min(MAX_LAYERS, len(names))).round().astype(int))
    return frame[frame["layer"].isin([names[place] for place in places])]


def _telling(every: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the layers that papers count or, of outputs, those without parameters, as activations are; else all."""
    found = every[every["n_params"] == 0] if kind == "activation" else every[every["weighted"]]
    return found if len(found) > 1 else every


class _Panel(NamedTuple):
    """The ridges of one kind, and the axes that hold them."""

    rows: pd.DataFrame
    x: Axis
    y: Axis


def _panel(frame: pd.DataFrame, kind: str) -> _Panel:
    """Return the ridges of one kind of all runs."""
    layers = list(dict.fromkeys(frame["layer"]))
    steps = sorted({int(step) for step in frame["step"].unique()})
    places = {layer: float(len(layers) - 1 - place) for place, layer in enumerate(layers)}
    kept = pd.concat([_without_tail(own) for _, own in frame.groupby(["run", "step", "layer"], sort=False)])
    x, slots = _magnitudes(kept)
    rows = []
    for (run, layer), of_layer in kept.groupby(["run", "layer"], sort=False):
        place, scale = places[str(layer)], _HALF / (_density(of_layer).max() or 1.0)
        said = {"run": str(run), "kind": kind, "layer": named(str(layer))}
        for number_of, step in enumerate(steps):
            own = of_layer[of_layer["step"] == step]
            if len(own):
                said |= {"line": str(step), "step": str(step), **_said(own)}
                parts = (_ridges(own, place, scale), _bars(own, place, slots, steps, number_of))
                rows += [part.assign(**said) for part in itertools.chain(*parts)]
    names = {places[layer]: named(layer) for layer in layers}
    return _Panel(
        pd.concat(rows, ignore_index=True), x, Axis("high", "", limits=(-0.6, len(layers) - 0.4), ticks=names)
    )


class _Slots(NamedTuple):
    """Where bars begin, of zeros and of what is not finite, and how wide those of all steps are together."""

    zeros: float
    nonfinite: float
    width: float


def _magnitudes(frame: pd.DataFrame) -> tuple[Axis, _Slots]:
    """Return the axis of the logarithms of magnitudes, and the places of bars beside them."""
    known = frame.dropna(subset=["low"])
    low, high = np.log10([known["low"].min(), known["high"].max()]).tolist() if len(known) else (-1.0, 0.0)
    span = max(high - low, 1.0)
    gap, width = _GAP * span, _SLOT * span
    slots = _Slots(low - gap - width, high + gap, width)
    every = max(1, math.ceil((high - low) / _DECADES))
    powers = [power for power in range(math.ceil(low), math.floor(high) + 1) if power % every == 0]
    ticks = {float(power): power_of_ten(10.0**power) for power in powers}
    left, right = low - gap, high + gap
    if (frame["zeros"] > 0).any():
        left = slots.zeros - gap
        ticks = {slots.zeros + width / 2: _zero_or_odd()[ZEROS], **ticks}
    if (frame["nonfinite"] > 0).any():
        right = slots.nonfinite + width + gap
        ticks[slots.nonfinite + width / 2] = _zero_or_odd()[NONFINITE]
    return Axis("place", text("figure.distributions.x"), limits=(left, right), ticks=ticks), slots


def _without_tail(own: pd.DataFrame) -> pd.DataFrame:
    """Return the bins of one layer at one step without those of its smallest entries."""
    shares = own["negative"] + own["positive"]
    return own[(shares.cumsum() > _TAIL * shares.sum()) | own["low"].isna()]


def _density(own: pd.DataFrame) -> pd.Series[float]:
    """Return the share of entries for each decade in each bin, of the sign that has more."""
    return own[["negative", "positive"]].max(axis=1) / np.log10(own["high"] / own["low"])


def _ridges(own: pd.DataFrame, row: float, scale: float) -> Iterator[pd.DataFrame]:
    """Yield the ridge of one layer at one step, if it has any number other than zero."""
    bins = own[own["low"].notna()]
    if not len(bins):
        return
    low, high = np.log10(bins["low"].to_numpy()), np.log10(bins["high"].to_numpy())
    ridge = pd.DataFrame(
        {
            "place": (low + high) / 2,
            "low": row - scale * bins["negative"].to_numpy() / (high - low),
            "high": row + scale * bins["positive"].to_numpy() / (high - low),
            "range": [f"{number(a)} – {number(b)}" for a, b in zip(bins["low"], bins["high"], strict=True)],
            "above": [*map(share, bins["positive"])],
            "below": [*map(share, bins["negative"])],
        }
    )
    is_first = np.append(True, low[1:] > high[:-1] + _APART)  # after bins without an entry
    is_last = np.append(is_first[1:], True)
    feet = [ridge[own].assign(place=ends[own], low=row, high=row) for own, ends in ((is_first, low), (is_last, high))]
    ridge = pd.concat([ridge, *feet], ignore_index=True).sort_values("place", kind="stable")
    yield ridge.assign(part=VALUES, ridge=f"{row} {VALUES}")


def _bars(own: pd.DataFrame, row: float, slots: _Slots, steps: Sequence[int], number_of: int) -> Iterator[pd.DataFrame]:
    """Yield the bars of one layer's zeros and of what is not finite at one of some steps, each beside the others."""
    first, width = own.iloc[0], slots.width / len(steps)
    shares = {ZEROS: first["zeros"], NONFINITE: first["nonfinite"] / first["n"]}
    for (name, found), start in zip(shares.items(), slots[:2], strict=True):
        if found > 0:
            left, half = start + width * number_of, _HALF * float(found)
            ends = {"place": [left, left + width], "low": row - half, "high": row + half}
            said = {"range": _zero_or_odd()[name], "above": _NONE, "below": _NONE}
            yield pd.DataFrame(ends).assign(**said, part=name, ridge=f"{row} {name}")


def _zero_or_odd() -> dict[str, str]:
    """Return what the values in bars are called."""
    return {ZEROS: "0", NONFINITE: text("figure.distributions.not_finite")}


def _said(own: pd.DataFrame) -> dict[str, Any]:
    """Return what a pointer is told of one layer at one step."""
    first = own.iloc[0]
    return {"zero": share(float(first["zeros"])), "odd": int(first["nonfinite"]), "n": int(first["n"])}


def _looks(steps: list[int]) -> dict[str, Look]:
    """Return how each step is drawn, the first on top of the legend and behind the others."""
    places = np.linspace(0, 1, len(steps)) if len(steps) > 1 else [1.0]
    names = [text("figure.after", n=step) if step else text("figure.before") for step in steps]
    return {
        str(step): Look(to_hex(_EARLY_TO_LATE(float(place))), "-", "", name)
        for step, place, name in zip(steps, places, names, strict=True)
    }
