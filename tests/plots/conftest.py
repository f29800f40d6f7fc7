import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from gradflow.recording import Recording

STEPS = [0, 1, 10, 20]


def recording(family, depth, seed, *, named=True, **meta):
    """Return a made-up run whose numbers all differ: layer d at step s has norm (s + 1) d^2 10^seed."""
    layers = pd.concat(
        pd.DataFrame(
            {"step": step, "layer": [f"layer{d}" for d in range(1, depth + 1)], "layer_depth": range(1, depth + 1)}
        )
        for step in STEPS
    ).assign(weighted=True, kind="Conv2d", n_nonfinite=0)
    layers["order"] = layers.layer_depth
    layers["grad_norm"] = (layers.step + 1.0) * layers.layer_depth**2 * 10.0**seed
    layers["out_grad_norm"] = layers.grad_norm / 7
    layers["weight_norm"] = 1.0 + layers.step * depth + seed
    steps = pd.DataFrame({"step": range(21), "lr": np.linspace(0.1, 0, 21), "loss": 1.0})
    steps["batch_error"] = 0.9 - steps.step / 40 - seed / 20
    steps["train_error"] = [0.9 - step / 50 - seed / 20 if step % 10 == 0 else math.nan for step in steps.step]
    steps["test_error"] = steps.train_error / 2
    run = f"{family}-{depth}-seed{seed}"
    who = {"family": family, "depth": depth, "seed": seed} if named else {}
    return Recording(layers=layers, steps=steps, meta={"run": run, **who, **meta})


@pytest.fixture
def make():
    return recording


@pytest.fixture
def runs():
    return [recording(family, depth, seed) for family in ("plain", "residual") for depth in (4, 6) for seed in (0, 1)]


@pytest.fixture
def many():
    depths = range(3, 15)
    return [recording(family, depth, seed) for family in ("plain", "residual") for depth in depths for seed in (0, 1)]


@pytest.fixture
def own():
    return [recording("my $model$", 5, 0, named=False), recording("_other" * 9, 3, 0, named=False)]


@pytest.fixture
def ax():
    return Figure(figsize=(4, 3)).subplots()


@pytest.fixture
def overlaps():
    """Return a function that gives the pairs of overlapping texts of a figure, and the texts that leave it."""

    def check(figure):
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw_without_rendering()
        hidden = _undrawn_tick_labels(figure)
        texts = {id(t): t for t in figure.findobj(lambda artist: isinstance(artist, Text))}
        shown = [t for key, t in texts.items() if key not in hidden and t.get_visible() and t.get_text().strip()]
        boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in shown]
        outside = [text for text, box in boxes if box.x0 < -1 or box.x1 > figure.bbox.x1 + 1 or box.y0 < -1]
        pairs = [
            (a, b)
            for index, (a, first) in enumerate(boxes)
            for b, second in boxes[index + 1 :]
            if min(first.x1, second.x1) - max(first.x0, second.x0) > 1
            and min(first.y1, second.y1) - max(first.y0, second.y0) > 1
        ]
        return pairs, outside

    return check


def _undrawn_tick_labels(figure):
    """Return the ids of labels that axes keep for ticks outside the view."""
    kept, drawn = set(), set()
    for axis in [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]:
        drawn |= {id(label) for tick in axis._update_ticks() for label in (tick.label1, tick.label2)}
        ticks = [*axis.majorTicks, *axis.minorTicks]
        kept |= {id(label) for tick in ticks for label in (tick.label1, tick.label2)}
    return kept - drawn
