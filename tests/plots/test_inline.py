"""Plots on axes of a notebook's own sizes, outside the printed figures' style."""

import matplotlib as mpl
import pytest
from chains import errors
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
