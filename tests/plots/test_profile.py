import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from gradflow import analysis, plots
from gradflow.plots import paper
from gradflow.recording import Recording
from gradflow.reporting.profile_section import flow


def frame_of(runs, measure="grad_norm"):
    return analysis.profile_over_seeds(analysis.profile(runs), measure)


def test_lines_are_geometric_means_against_layer_depth(runs, ax):
    frame = frame_of(runs)
    plots.profile(frame[frame.step == 10], ax)
    line = ax.lines[0]
    depths = np.arange(1, 5)
    np.testing.assert_array_equal(line.get_xdata(), depths)
    np.testing.assert_allclose(line.get_ydata(), 11 * depths**2 * math.sqrt(1 * 10))
    assert len(ax.lines) == 4
    assert len(ax.collections) == 4


def test_colour_is_depth_and_line_style_is_family(runs, ax):
    frame = frame_of(runs)
    plots.profile(frame[frame.step == 0], ax)
    plain4, residual4, plain6, _ = ax.lines
    assert plain4.get_color() == residual4.get_color() != plain6.get_color()
    assert residual4.get_linestyle() == "-" != plain4.get_linestyle()


def test_zeros_and_nan_gradients_are_drawn_on_the_edges_and_named(make, ax):
    run = make("plain", 4, 0)
    layers = run.layers.copy()
    layers.loc[layers.layer == "layer1", "grad_norm"] = 0.0
    layers.loc[layers.layer == "layer2", ["grad_norm", "n_nonfinite"]] = [math.nan, 1]
    frame = frame_of([Recording(layers=layers, meta=run.meta)])
    figure = plots.profiles(frame)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"zero, at the foot", "NaN or inf, on top"} <= set(labels)
    edges = {line.get_marker(): line for line in figure.axes[0].lines if line.get_linestyle() == "None"}
    assert list(edges["v"].get_xdata()) == [1]
    assert list(edges["x"].get_xdata()) == [2]
    low, high = figure.axes[0].get_ylim()
    assert low < edges["v"].get_ydata()[0] < 9
    assert 16 * 21 < edges["x"].get_ydata()[0] < high


def test_one_panel_a_step_on_shared_axes(runs):
    figure = plots.profiles(frame_of(runs))
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "before training",
        "after 1 update",
        "after 10 updates",
        "after 20 updates",
    ]
    assert len({ax.get_ylim() for ax in figure.axes}) == 1


def test_bands_are_left_out_where_they_would_hide_each_other(many):
    figure = plots.profiles(frame_of(many))
    assert not figure.axes[0].collections
    assert "intervals not drawn" in figure.legends[0].get_title().get_text()


def test_several_steps_in_one_panel_are_refused(runs, ax):
    with pytest.raises(ValueError, match="must hold one step; got 0, 1, 10, 20"):
        plots.profile(frame_of(runs), ax)


@pytest.mark.parametrize(("which", "width"), [("many", plots.SINGLE), ("runs", plots.DOUBLE), ("own", plots.SINGLE)])
def test_no_text_overlaps_or_leaves_the_figure(which, width, request, overlaps):
    figure = plots.profiles(frame_of(request.getfixturevalue(which)), width=width)
    assert overlaps(figure) == ([], [])


@pytest.mark.parametrize(("exponents", "is_shared"), [([-30, -1], False), ([-18, -1], True), ([-30, -25], True)])
def test_axes_are_shared_unless_they_would_flatten_a_panel(exponents, is_shared):
    rows = [
        {"family": "plain", "depth": 4, "step": step, "layer_depth": layer, "mean": mean, "low": mean, "high": mean}
        for step, exponent in enumerate(exponents)
        for layer, mean in ((1, 10.0**exponent), (2, 1.0))
    ]
    frame = pd.DataFrame(rows).assign(n=2, n_zero=0, n_nonfinite=0)
    figure = plots.profiles(frame)
    first, second = figure.axes
    assert (first.get_ylim() == second.get_ylim()) is is_shared
    assert ("axes differ" in figure.legends[0].get_title().get_text()) is not is_shared


def test_the_legend_fills_the_place_that_five_panels_leave(runs, overlaps):
    frame = analysis.profile_over_seeds(analysis.profile(runs, steps="recorded"), "grad_norm")
    five = pd.concat([frame, frame[frame["step"] == 20].assign(step=21)])
    drawn = {n: plots.profiles(five[five["step"].isin(sorted(five["step"].unique())[:n])]) for n in (5, 3)}
    for figure in drawn.values():
        figure.draw_without_rendering()
    last = drawn[5].axes[-1].get_window_extent()
    legend = drawn[5].legends[0].get_window_extent()
    assert legend.x0 > last.x1
    assert legend.y0 > last.y0
    assert drawn[3].legends[0].get_window_extent().y1 < drawn[3].axes[0].get_window_extent().y0
    assert overlaps(drawn[5]) == ([], [])


def test_lines_of_many_layers_are_thin(make):
    widths = [
        plots.profiles([make("plain", depth, 0)], width=plots.SINGLE).axes[0].lines[0].get_linewidth()
        for depth in (6, 100)
    ]
    assert widths[1] < widths[0]


def test_layers_of_one_network_stand_by_name_where_their_names_have_room(make):
    def ticks(runs):
        axis = flow(analysis.profile(runs, steps="recorded")).wide["layer"][0]["encoding"]["x"]["axis"]
        return "labelExpr" in axis

    assert ticks([make("plain", 4, seed) for seed in (0, 1)])
    assert not ticks([make("plain", 4, 0), make("plain", 6, 0)])
    assert not ticks([make("plain", 40, 0)])


def test_panels_too_many_to_be_linked_are_drawn_as_linked_ones(runs, monkeypatch):
    def pixels(most):
        monkeypatch.setattr(paper, "MAX_LINKED", most)
        figure = plots.profiles(frame_of(runs), plots.SINGLE)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        shared = figure.axes[0].get_shared_y_axes().get_siblings(figure.axes[0])
        return np.asarray(canvas.buffer_rgba()), len(shared)

    (linked, n_linked), (alone, n_alone) = pixels(24), pixels(3)
    np.testing.assert_array_equal(alone, linked)
    assert (n_linked, n_alone) == (4, 1)
