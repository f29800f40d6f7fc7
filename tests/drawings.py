"""Made-up frames of any number of families and depths, each figure that they make, and whether its texts collide."""

import itertools
import math

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from gradflow import plots
from gradflow.figures.counterfactual_figure import VARIANTS
from gradflow.plots import stall_figure

DEPTHS = (8, 14, 20, 26, 32, 44, 56, 74, 92, 110, 164, 1202)
FAMILIES = (
    "plain",
    "residual",
    "preactivation",
    "plain, batch norm, lr 0.001",
    "residual, adamw, lr 0.001",
    "an architecture of a long name",
)
SEEDS = (0, 1)
STEPS = (0, 1, 10, 100, 1000, 64000)
MAJORITY = 0.9  # the error of always answering the most frequent class
MAX_LAYERS = 30  # of a made-up network; its last stands at its depth


def networks(n_families, n_depths):
    """Return (family, depth) pairs: so many families at so many depths, the shallowest and the deepest among them."""
    chosen = [DEPTHS[round(place)] for place in np.linspace(0, len(DEPTHS) - 1, n_depths)] if n_depths > 1 else [20]
    return list(itertools.product(FAMILIES[:n_families], chosen))


def _frame(rows):
    return pd.DataFrame(rows).astype({"family": "str", "depth": "Int64"})


def _over_seeds(mean, spread=1.3, **more):
    return {"mean": mean, "low": mean / spread, "high": mean * spread, "n": 2, "n_zero": 0, "n_nonfinite": 0, **more}


def _layers(depth):
    return sorted({round(place) for place in np.linspace(1, depth, min(depth, MAX_LAYERS))})


def profile(pairs, steps=STEPS[:5], decades=0.05):
    """Return a frame as of `profile_over_seeds`: a family's gradients fall by `decades` a layer, another's less."""
    rows = [
        {"family": family, "depth": depth, "step": step, "layer_depth": layer}
        | _over_seeds(10.0 ** (-decades * (depth - layer) / (1 + place % 3) - place - step / 1e5))
        for place, (family, depth) in enumerate(pairs)
        for step in steps
        for layer in _layers(depth)
    ]
    rows[-1] |= {"n_zero": 1}
    rows[-2] |= {"n_nonfinite": 1}
    return _frame(rows)


def heat(pairs):
    rows = [
        {"run": f"{family}-{depth}", "family": family, "depth": depth, "seed": 0, "step": step, "layer_depth": layer}
        | {"status": "measured", "n_nonfinite": 0, "grad_norm": 10.0 ** (-layer / 50) / (1 + step)}
        for family, depth in pairs
        for step in STEPS
        for layer in _layers(depth)
    ]
    return _frame(rows).astype({"seed": "Int64"})


def errors(pairs):
    """Return frames as of `degradation`, `degradation_over_seeds` and `paired_difference`."""
    runs, means = [], []
    for place, (family, depth) in enumerate(pairs):
        error = 0.05 + 0.9 * place / len(pairs)
        runs += [
            {"family": family, "depth": depth, "seed": seed, "train_error": error + seed / 50, "diverged": place == 0}
            for seed in SEEDS
        ]
        means.append(
            {"family": family, "depth": depth, "n": 2, "n_test": 2, "train_error": error, "train_error_low": error / 2}
            | {"train_error_high": error * 1.5, "test_error": error}
        )
    depths = sorted({depth for _, depth in pairs})
    difference = pd.DataFrame({"depth": depths, "n": 2, "mean": 0.1, "low": -0.1, "high": 0.3, "settings": ""})
    return _frame(runs).assign(constant_error=MAJORITY), _frame(means), difference


def training(pairs):
    """Return frames as of `training` and `window_means`."""
    steps = np.arange(0, 1000, 100)
    rows = [
        {"run": f"{family}-{depth}-{seed}", "family": family, "depth": depth, "seed": seed, "step": step}
        | {"train_error": 0.9 / (1 + step / 100), "test_error": 0.95 / (1 + step / 200), "mean": 1 / (1 + step)}
        for family, depth in pairs
        for seed in SEEDS
        for step in steps
    ]
    frame = _frame(rows)
    return frame.assign(constant_error=MAJORITY), frame.assign(window=10)


def along(pairs):
    """Return a frame as of `errors_over_seeds`."""
    curves, _ = training(pairs)
    means = curves.groupby(["family", "depth", "step"], as_index=False)[["train_error", "test_error"]].mean()
    return means.melt(["family", "depth", "step"], var_name="measure", value_name="mean").assign(n=2)


def weights(pairs):
    rows = [
        {"family": family, "depth": depth, "step": step} | _over_seeds((1.0 + step) ** 0.5 * 10.0 ** (place % 4))
        for place, (family, depth) in enumerate(pairs)
        for step in STEPS
    ]
    return _frame(rows)


def updates(pairs):
    rows = [
        {"family": family, "depth": depth, "step": step, "of": of} | _over_seeds(10.0 ** (-3 - place) / (1 + step))
        for family, depth in pairs
        for step in STEPS
        for place, of in enumerate(("largest", "median", "smallest"))
    ]
    return _frame(rows)


def degree(pairs):
    rows = [
        {"family": family, "depth": depth, "measure": measure, "moment": moment, "steps": moment, "decades_n": 2}
        | {"decades": -place, "decades_low": -place - 1, "decades_high": -place + 1}
        for place, (family, depth) in enumerate(pairs)
        for measure in ("out_grad_norm", "grad_norm", "grad_times_weight")
        for moment in ("0", "1", "10", "100", "end")
    ]
    return _frame(rows)


def chain(pairs):
    values = {"start_decades": -12.0, "growth": 900.0, "first_growth": 300.0, "effective_lr_end": 1e-7}
    values |= {"effective_lr_start": 0.2, "end_decades": 3.0, "end_decades_scaled": -3.0, "train_error": 0.4}
    bounds = {
        f"{name}{end}": value * by for name, value in values.items() for end, by in (("_low", 0.9), ("_high", 1.1))
    }
    return _frame([{"family": family, "depth": depth, "n": 2, **values, **bounds} for family, depth in pairs])


def layer_bars(pairs):
    rows = [
        {
            "run": f"{family}-{depth}",
            "family": family,
            "depth": depth,
            "seed": 0,
            "layer": f"stage.{place}.conv",
            "layer_depth": place + 1,
        }
        | {"median": 10.0**-place, "largest": 10.0 ** (1 - place), "n": 5}
        for family, depth in pairs
        for place in range(min(depth, MAX_LAYERS))
    ]
    return _frame(rows)


def contribution(pairs, scale):
    rows = [
        {"family": family, "depth": depth, "step": 0, "order": order, "kind": kind} | _over_seeds(scale / (1 + order))
        for family, depth in pairs
        for order in range(min(depth // 2, MAX_LAYERS))
        for kind in ("identity", "projection")[order % 5 == 0 :][:1]
    ]
    return _frame(rows)


def counterfactuals(pairs):
    found = profile(pairs, steps=[0])
    return pd.concat([found.assign(variant=variant) for variant in VARIANTS], ignore_index=True)


def correlations(pairs):
    rows = [
        {"family": family, "norm": norm, "depth": depth, "predicted": 1 / depth} | _over_seeds(1 / depth)
        for family, depth in pairs
        for norm in ("", "batch")
    ]
    return _frame(rows)


def layers_after(pairs):
    rows = [
        {"family": family, "depth": depth, "layers_after": place} | _over_seeds(0.8**place)
        for family, depth in pairs
        for place in range(min(depth, MAX_LAYERS) + 1)
    ]
    return _frame(rows)


def lags(pairs):
    rows = [
        {"family": family, "norm": norm, "depth": depth, "lag": lag, "points": 256} | _over_seeds(0.9**lag)
        for family, depth in pairs
        for norm in ("", "batch")
        for lag in range(20)
    ]
    return _frame(rows)


def laws(pairs):
    rows = [
        {"label": "", "setting": "", "family": family, "depth": depth, "stage": stage, "n": 2}
        | {"difference": 0.01, "difference_low": -0.02, "difference_high": 0.04}
        for family, depth in pairs
        for stage in range(3)
    ]
    return _frame(rows)


def settings(count):
    names = [f"sigmoid, initialisation number {place} of some" for place in range(count)]
    rows = [
        {"setting": name, "label": name, "measure": measure, "layer_depth": layer, "predicted": math.nan}
        | _over_seeds(0.1 ** ((1 + place) * (19 - layer)))
        for place, name in enumerate(names)
        for measure in ("out_grad_norm", "grad_norm")
        for layer in range(1, 20)
    ]
    return pd.DataFrame(rows)


def lengths(n_blocks):
    length = np.arange(n_blocks + 1)
    share = np.exp(-(((length - n_blocks / 4) / max(n_blocks / 8, 1)) ** 2))
    frame = pd.DataFrame({"length": length, "paths": 2.0**n_blocks / (1 + length), "gradient": 0.5**length})
    return frame.assign(low=frame.gradient / 2, high=frame.gradient * 2, n=20, share=share / share.sum())


def times(pairs, steps=(0, 10)):
    rows = [
        {"family": family, "depth": depth, "step": step, "layer": "encoder.rnn", "tensor": tensor, "time": time}
        | _over_seeds(0.0 if tensor == "output" and time < 29 else 10.0 ** (time - 29))
        for family, depth in pairs
        for step in steps
        for tensor in ("input", "output")
        for time in range(30)
    ]
    return _frame(rows).assign(n_zero=lambda found: (found["mean"] == 0).astype(int), n_nonfinite=0)


def ridges(pairs, n_layers=24):
    """Return distributions of each network, whose gradients shrink from layer to layer and whose outputs hold zeros."""
    ends = 2.0 ** np.arange(-5, 2)
    rows = [
        {"run": f"{family}-{depth}", "family": family, "depth": depth, "seed": 0, "kind": kind, "step": step}
        | {
            "layer": f"stage.{layer}.conv",
            "order": layer,
            "weighted": True,
            "n_params": 9,
            "low": low,
            "high": 1.5 * low,
        }
        | {"negative": share * (kind != "activation"), "positive": share, "zeros": 0.3 * (kind == "activation")}
        | {"nonfinite": 0, "n": 1000}
        for family, depth in pairs
        for kind in ("gradient", "weight", "activation")
        for step in (0, 1, 10, 100)
        for layer in range(n_layers)
        for end, share in zip(ends, (0.01, 0.03, 0.06, 0.1, 0.15, 0.1, 0.05), strict=True)
        for low in [end * 10.0 ** (-layer * (kind == "gradient") / 4)]
    ]
    return pd.DataFrame(rows).astype({"depth": "Int64", "seed": "Int64"})


def figures(n_families, n_depths):
    """Return every figure by name, as a function of its width."""
    pairs = networks(n_families, n_depths)
    curves, windows = training(pairs)
    growth = weights(pairs)
    joins = {"skip_share": contribution(pairs, 0.9), "branch_ratio": contribution(pairs, 3.0)}
    return {
        "degradation": lambda width: plots.degradation_figure(*errors(pairs), width=width),
        "training": lambda width: plots.training_curves(curves, windows, width=width),
        "loss": lambda width: plots.loss_curves(windows, width=width),
        "learning": lambda width: plots.learning_curves(along(pairs), width=width),
        "profiles": lambda width: plots.profiles(profile(pairs), width=width),
        "vanished": lambda width: plots.profiles(profile(pairs, decades=0.2), width=width),
        "heatmaps": lambda width: plots.heatmaps(heat(pairs), width=width),
        "weights": lambda width: plots.weight_figure(
            {"first_growth": growth, "first_effective_lr": growth}, width=width
        ),
        "updates": lambda width: plots.update_ratios(updates(pairs), width),
        "distributions": lambda width: plots.distributions_figure(ridges(pairs), width),
        "times": lambda width: plots.gradient_over_time_figure(times(pairs), width),
        "degree": lambda width: plots.degree_figure(degree(pairs), width=width),
        "stall": lambda width: stall_figure(chain(pairs), width=width),
        "contribution": lambda width: plots.contribution_figure(joins, width=width),
        "counterfactuals": lambda width: plots.counterfactuals(counterfactuals(pairs), width=width),
        "shattering": lambda width: plots.shattering_figure(correlations(pairs), width),
        "shattering-layers": lambda width: plots.shattering_layers_figure(layers_after(pairs), width),
        "autocorrelation": lambda width: plots.autocorrelation_figure(lags(pairs), width),
        "predicted": lambda width: plots.predicted_figure(laws(pairs), width),
        "vanishing": lambda width: plots.vanishing_figure(settings(n_families + 2), width),
        "paths": lambda width: plots.paths_figure(lengths(4 * n_depths), width),
    }


def collisions(figure):
    """Return what is wrong with the texts of a figure: pairs that overlap, and those that leave it or lie on axes."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    hidden = _undrawn_tick_labels(figure)
    texts = {id(text): text for text in figure.findobj(lambda artist: isinstance(artist, Text))}
    shown = [
        text for key, text in texts.items() if key not in hidden and text.get_visible() and text.get_text().strip()
    ]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in shown]
    panels = [("a panel", ax.get_window_extent(renderer)) for ax in figure.axes]
    legends = [legend for owner in (figure, *figure.axes) for legend in _legends(owner)]
    entries = [text for legend in legends for text in (*legend.get_texts(), legend.get_title())]
    outer = [
        (text.get_text(), text.get_window_extent(renderer)) for text in (*figure.texts, *entries) if text.get_text()
    ]
    width, height = figure.bbox.size
    gone = [
        f"{text!r} leaves the figure"
        for text, box in boxes
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]
    pairs = [(one, other) for one, other in itertools.combinations(boxes, 2) if _overlap(one[1], other[1])]
    pairs += [(one, panel) for one, panel in itertools.product(outer, panels) if _overlap(one[1], panel[1])]
    return [*gone, *(f"{one[0]!r} lies on {other[0]!r}" for one, other in pairs)]


def _legends(owner):
    if hasattr(owner, "legends"):
        return owner.legends
    legend = owner.get_legend()
    return [] if legend is None else [legend]


def _overlap(first, second):
    return (
        min(first.x1, second.x1) - max(first.x0, second.x0) > 1
        and min(first.y1, second.y1) - max(first.y0, second.y0) > 1
    )


def _undrawn_tick_labels(figure):
    """Return the ids of labels that axes keep for ticks outside the view."""
    kept, drawn = set(), set()
    for axis in [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]:
        drawn |= {id(label) for tick in axis._update_ticks() for label in (tick.label1, tick.label2)}
        ticks = [*axis.majorTicks, *axis.minorTicks]
        kept |= {id(label) for tick in ticks for label in (tick.label1, tick.label2)}
    return kept - drawn
