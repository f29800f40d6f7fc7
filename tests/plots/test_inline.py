"""Plots on axes of a notebook's own sizes, outside the printed figures' style."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from chains import errors, layers_after
from drawings import along, degree, heat, lags, networks, profile, training, weights
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
