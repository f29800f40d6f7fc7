import math

import numpy as np
import pytest

from gradflow import analysis, plots
from gradflow.recording import Recording

MEASURES = ("first_growth", "first_effective_lr", "median_growth", "median_effective_lr")


def frames_of(runs):
    growth = analysis.weight_growth(analysis.weights(runs))
    return {measure: analysis.weight_growth_over_seeds(growth, measure) for measure in MEASURES}


def test_lines_are_geometric_means_against_the_step(runs, ax):
    plots.weight_growth(frames_of(runs)["first_growth"], ax)
    plain4 = ax.lines[0]
    steps = np.array([0, 1, 10, 20])
    np.testing.assert_array_equal(plain4.get_xdata(), steps)
    np.testing.assert_allclose(plain4.get_ydata(), np.sqrt((1 + 4 * steps) * (2 + 4 * steps) / 2))


def test_a_learning_rate_of_zero_is_on_the_lower_edge(runs):
    figure = plots.weight_figure(frames_of(runs))
    marks = [line for line in figure.axes[1].lines if line.get_marker() == "v" and len(line.get_xdata())]
    assert {tuple(line.get_xdata()) for line in marks} == {(20,)}
    bottom = figure.axes[1].get_ylim()[0]
    smallest = min(np.nanmin(line.get_ydata()) for line in figure.axes[1].lines if line.get_marker() == "None")
    assert all(bottom < line.get_ydata()[0] < smallest for line in marks)
    assert "zero, at the foot" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_recordings_without_weight_norms_are_refused(make, ax):
    run = make("plain", 4, 0)
    bare = Recording(layers=run.layers.assign(weight_norm=math.nan), steps=run.steps, meta=run.meta)
    with pytest.raises(ValueError, match=r"record\(weights=True\)"):
        plots.weight_growth(frames_of([bare])["first_growth"], ax)


@pytest.mark.parametrize(("which", "width"), [("many", plots.SINGLE), ("runs", plots.DOUBLE), ("own", plots.SINGLE)])
def test_no_text_overlaps_or_leaves_the_figure(which, width, request, overlaps):
    figure = plots.weight_figure(frames_of(request.getfixturevalue(which)), width=width)
    assert overlaps(figure) == ([], [])
