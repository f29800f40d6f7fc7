"""The dots and bars are the frame's, and every name can be read."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from gradflow import plots
from gradflow.figures.looks import NEUTRAL, depth_color
from gradflow.plots import predicted, predicted_figure


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "label": ["tanh, default", "", "", ""],
            "family": ["", "plain", "plain", "residual"],
            "depth": pd.array([None, 20, 56, 20], dtype="Int64"),
            "stage": pd.array([None, 0, 2, 1], dtype="Int64"),
            "n": [10, 3, 3, 3],
            "low": 0.8,  # of the factor
            "high": 0.9,
            "difference": [-0.003, -0.02, 0.04, np.nan],
            "difference_low": [-0.007, -0.05, np.nan, np.nan],
            "difference_high": [0.001, 0.01, np.nan, np.nan],
        }
    )


def dots(ax):
    """Return the dots by the names of their rows."""
    names = [label.get_text() for label in ax.get_yticklabels()]
    return {names[line.get_ydata()[0]]: line for line in ax.lines if line.get_marker() == "o"}


def test_dots_and_bars_are_the_frames(frame):
    ax = predicted(frame, Figure().add_subplot())
    drawn = {name: line.get_xdata()[0] for name, line in dots(ax).items()}
    assert drawn == {"tanh, default": -0.003, "plain-20, stage 1": -0.02, "plain-56, stage 3": 0.04}
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "tanh, default",
        "plain-20, stage 1",
        "plain-56, stage 3",
    ]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first row is on top
    bars = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2 and line.get_marker() == "None"]
    assert any(np.array_equal(bar, [-0.007, 0.001]) for bar in bars)
    low, high = ax.get_xlim()
    assert low == -high
    assert high > 0.05


def test_colour_is_depth_and_the_demonstration_is_grey(frame):
    ax = predicted(frame, Figure().add_subplot())
    colors = {name: line.get_color() for name, line in dots(ax).items()}
    assert colors["tanh, default"] == NEUTRAL
    assert colors["plain-20, stage 1"] == depth_color(20, [20, 56])


def test_the_interval_is_named(frame):
    ax = predicted(frame, Figure().add_subplot())
    assert ax.get_xlabel().splitlines()[1] == "95 % interval, n = 3 to 10 seeds"


@pytest.mark.parametrize("width", [plots.SINGLE, plots.DOUBLE])
def test_nothing_leaves_the_page(frame, width):
    figure = predicted_figure(frame, width)
    figure.canvas.draw()
    (ax,) = figure.axes
    edge = figure.bbox
    for text in [*ax.get_yticklabels(), ax.xaxis.label, figure._suptitle]:
        box = text.get_window_extent()
        assert box.x0 >= edge.x0
        assert box.x1 <= edge.x1
        assert box.y1 <= edge.y1


def test_a_frame_of_something_else_is_refused(frame):
    with pytest.raises(ValueError, match=r"lacks the column 'difference'; pass what gradflow\.analysis\.predicted"):
        predicted(frame.drop(columns="difference"))
    with pytest.raises(ValueError, match="nothing to draw"):
        predicted(frame.assign(difference=np.nan))
