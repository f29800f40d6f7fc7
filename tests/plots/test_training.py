import math

import numpy as np
import pytest

from gradflow import analysis, plots


def frames(runs, window=5):
    frame = analysis.training(runs)
    return frame, analysis.window_means(frame, window=window)


def test_lines_are_window_means_and_markers_measured_errors(make, ax):
    run = make("plain", 4, 1)
    plots.training_curve(*frames([run]), ax)
    thin, markers = ax.lines
    errors = run.steps.batch_error.to_numpy()
    np.testing.assert_allclose(thin.get_ydata(), [*errors[:20].reshape(4, 5).mean(axis=1), errors[20]])
    measured = run.steps[run.steps.train_error.notna()]
    np.testing.assert_allclose(markers.get_ydata(), measured.train_error)
    np.testing.assert_array_equal(markers.get_xdata(), measured.step)


def test_every_seed_has_its_line_in_the_panel_of_its_depth(runs):
    figure = plots.training_curves(*frames(runs))
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["depth 4", "depth 6"]
    assert [len(ax.lines) for ax in figure.axes] == [8, 8]


@pytest.mark.parametrize(("window", "label"), [(5, "mean of 5 steps"), (1, "each step")])
def test_smoothing_is_said(runs, window, label):
    figure = plots.training_curves(*frames(runs, window))
    assert any(label in text.get_text() for text in figure.legends[0].get_texts())


def test_a_run_without_errors_is_refused(make):
    run = make("plain", 4, 0)
    steps = run.steps.assign(batch_error=math.nan, train_error=math.nan)
    with pytest.raises(ValueError, match="no error was recorded"):
        plots.training_curves(*frames([type(run)(steps=steps, meta=run.meta)]))


def losses(runs, window=1):
    return analysis.window_means(analysis.training(runs), window=window, measure="loss")


def test_loss_curves_are_the_losses_on_a_log_axis_with_infinity_on_top(make):
    run = make("plain", 4, 0)
    values = [*np.geomspace(2, 0.01, 20), math.inf]
    run = type(run)(steps=run.steps.assign(loss=values), meta=run.meta)
    figure = plots.loss_curves(losses([run]))
    line, gone = figure.axes[0].lines
    np.testing.assert_allclose(line.get_ydata(), [*values[:20], math.nan])
    assert figure.axes[0].get_yscale() == "log"
    assert gone.get_xdata().tolist() == [20]
    assert gone.get_ydata()[0] > 2
    assert "NaN or inf, on top" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_losses_that_are_not_all_positive_are_drawn_on_a_linear_axis(make, ax):
    run = make("plain", 4, 0)
    run = type(run)(steps=run.steps.assign(loss=np.linspace(1, -1, 21)), meta=run.meta)
    plots.loss_curve(losses([run]), ax)
    assert ax.get_yscale() == "linear"
    assert ax.get_ylabel() == "loss"


def test_runs_without_a_loss_are_refused(make):
    run = make("plain", 4, 0)
    with pytest.raises(ValueError, match="no rows"):
        plots.loss_curves(losses([type(run)(steps=run.steps.assign(loss=math.nan), meta=run.meta)]))


@pytest.mark.parametrize(("which", "width"), [("many", plots.SINGLE), ("runs", plots.DOUBLE), ("own", plots.SINGLE)])
def test_no_text_of_loss_curves_overlaps_or_leaves_the_figure(which, width, request, overlaps):
    figure = plots.loss_curves(losses(request.getfixturevalue(which), 5), width=width)
    assert overlaps(figure) == ([], [])


@pytest.mark.parametrize(("which", "width"), [("many", plots.SINGLE), ("runs", plots.DOUBLE), ("own", plots.SINGLE)])
def test_no_text_overlaps_or_leaves_the_figure(which, width, request, overlaps):
    figure = plots.training_curves(*frames(request.getfixturevalue(which)), width=width)
    assert overlaps(figure) == ([], [])
