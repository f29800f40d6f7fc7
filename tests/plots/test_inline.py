"""Plots on axes of a notebook's own sizes, outside the printed figures' style."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from chains import errors, layers_after
from drawings import (
    along,
    chain,
    collisions,
    degree,
    heat,
    lags,
    laws,
    networks,
    profile,
    settings,
    training,
    weights,
)
from drawings import errors as errors_of
from matplotlib.figure import Figure

from gradflow import plots


@pytest.mark.parametrize("size", [8, 10, 14])
def test_a_legend_stands_under_the_label(size):
    frame, over_seeds, published = errors({"measure": "train_error"})
    with mpl.rc_context({**mpl.rcParamsDefault, "font.size": size, "backend": "agg"}):
        figure = Figure()
        ax = plots.degradation(frame.assign(diverged=False), over_seeds, figure.add_subplot(), published=published)
        figure.draw_without_rendering()
        assert ax.get_legend().get_window_extent().y1 <= ax.xaxis.label.get_window_extent().y0


PAIRS = networks(2, 3)


def test_a_notebook_shows_a_figure_of_panels_without_pyplot():
    shown = plots.profiles(profile(PAIRS, steps=[0]))
    assert shown._repr_png_().startswith(b"\x89PNG")


ALONE = {
    "profile": lambda ax: plots.profile(profile(PAIRS, steps=[0]), ax),
    "learning": lambda ax: plots.learning_curve(along(PAIRS), ax),
    "loss": lambda ax: plots.loss_curve(training(PAIRS)[1], ax),
    "training": lambda ax: plots.training_curve(*training(PAIRS), ax),
    "weights": lambda ax: plots.weight_growth(weights(PAIRS), ax),
    "degree": lambda ax: plots.degree(degree(PAIRS), ax),
    "autocorrelation": lambda ax: plots.autocorrelation(lags(PAIRS).query("norm == 'batch'"), ax),
    "layers": lambda ax: plots.shattering_layers(layers_after(), ax),
}


@pytest.mark.parametrize("name", ALONE)
def test_a_plot_by_itself_says_what_its_lines_are_and_one_of_several_leaves_it_to_them(name):
    try:
        alone = ALONE[name](None)
        assert {"plain", "residual"} <= {text.get_text() for text in alone.get_legend().get_texts()} or any(
            "plain-" in text.get_text() for text in alone.get_legend().get_texts()
        )
        assert ALONE[name](Figure().add_subplot()).get_legend() is None
    finally:
        plt.close("all")


def test_a_heat_map_by_itself_says_what_its_colours_are():
    try:
        frame = heat(PAIRS)
        one = frame[frame["run"] == frame["run"].iloc[0]]
        ax = plots.heatmap(one)
        assert [bar.get_ylabel() for bar in ax.figure.axes if bar is not ax] == [
            "gradient norm of the layer's parameters"
        ]
        figure = Figure()
        plots.heatmap(one, figure.add_subplot())
        assert len(figure.axes) == 1
    finally:
        plt.close("all")


RUNS, MEANS, DIFFERENCES = errors_of(networks(2, 4))
VARIANTS = pd.concat([DIFFERENCES.assign(settings=settings) for settings in ("lr 0.1", "lr 0.01, batch norm")])
KNOWN = pd.DataFrame(
    [("plain", 20, 0.2, "Authors of many names: A paper of a title that is long, 2015", "published", "")],
    columns=["family", "depth", "error", "source", "kind", "measure"],
)
# What has words beyond the margins that matplotlib leaves around axes.
WORDY = {
    "degradation": lambda ax: plots.degradation(RUNS, MEANS, ax),
    "degradation, published": lambda ax: plots.degradation(RUNS, MEANS, ax, published=KNOWN),
    "difference": lambda ax: plots.paired_difference(DIFFERENCES, ax),
    "differences": lambda ax: plots.paired_difference(VARIANTS, ax),
    "vanishing": lambda ax: plots.vanishing(settings(4), ax),
    "vanishing, short": lambda ax: plots.vanishing(settings(4).assign(label=lambda rows: rows.setting.str[-12:]), ax),
    "predicted": lambda ax: plots.predicted(laws(networks(2, 2)), ax),
    "stall": lambda ax: plots.stall_link(chain(networks(6, 2)), ax),
}


@pytest.mark.parametrize("size", [8, 10, 12])
@pytest.mark.parametrize("name", WORDY)
def test_words_around_plain_axes_are_within_the_figure(name, size):
    with mpl.rc_context({**mpl.rcParamsDefault, "font.size": size, "backend": "agg"}):
        figure = Figure()
        ax = WORDY[name](figure.subplots())
        assert collisions(figure) == []
        assert min(ax.get_window_extent().size) > 1.1 * figure.dpi


@pytest.mark.parametrize("name", WORDY)
def test_axes_of_a_figure_that_lays_itself_out_are_left_to_it(name):
    with mpl.rc_context({**mpl.rcParamsDefault, "backend": "agg"}):
        figure = Figure(layout="constrained")
        ax = figure.subplots()
        before = ax.get_position().bounds
        WORDY[name](ax)
        assert ax.get_position().bounds == before
        assert not [said for said in collisions(figure) if said.endswith("leaves the figure")]


def test_axes_are_made_smaller_once():
    ax = Figure().subplots()
    plots.degradation(RUNS, MEANS, ax)
    first = ax.get_position().bounds
    plots.degradation(RUNS, MEANS, ax)
    assert ax.get_position().bounds == pytest.approx(first, abs=0.01)


def test_axes_too_small_for_their_words_keep_their_size():
    figure = Figure(figsize=(1.5, 1.5))
    ax = figure.subplots()
    before = ax.get_position().bounds
    plots.degradation(RUNS, MEANS, ax)
    assert ax.get_position().bounds == before
