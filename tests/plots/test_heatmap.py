import math

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure

from gradflow import analysis, plots
from gradflow.plots.heatmap import NONFINITE_COLOR, ZERO_COLOR
from gradflow.recording import Recording


def frame_of(runs):
    return analysis.profile(runs, steps="recorded")


def test_cells_are_the_norms_layers_down_and_steps_across(make, ax):
    run = make("plain", 4, 0)
    plots.heatmap(frame_of([run]), ax)
    table = run.layers.pivot(index="layer_depth", columns="step", values="grad_norm")
    np.testing.assert_allclose(ax.collections[0].get_array(), table)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_zero_and_nonfinite_have_colours_of_their_own(make):
    run = make("plain", 4, 0)
    layers = run.layers.copy()
    layers.loc[(layers.layer == "layer1") & (layers.step == 10), "grad_norm"] = 0.0
    layers.loc[(layers.layer == "layer2") & (layers.step == 1), ["grad_norm", "n_nonfinite"]] = [math.nan, 2]
    layers.loc[(layers.layer == "layer4") & (layers.step == 0), ["grad_norm", "status"]] = [math.nan, "frozen"]
    figure = plots.heatmaps(frame_of([Recording(layers=layers, meta=run.meta)]))
    _, zeros, broken = figure.axes[0].collections
    for mesh, color, place in ((zeros, ZERO_COLOR, (0, 2)), (broken, NONFINITE_COLOR, (1, 1))):
        np.testing.assert_array_equal(np.argwhere(~np.ma.getmaskarray(mesh.get_array())), [place])
        assert mesh.get_cmap()(0) == to_rgba(color)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["exactly 0", "NaN or inf", "not measured"]


def test_one_panel_a_network_with_the_lowest_seed_on_one_scale(runs):
    figure = plots.heatmaps(frame_of(reversed(runs)), measure="out_grad_norm")
    panels = figure.axes[:4]
    assert [ax.get_title(loc="left") for ax in panels] == ["plain-4", "plain-6", "residual-4", "residual-6"]
    assert "seed 0 of each network" in figure.legends[0].get_title().get_text()
    assert len({id(ax.collections[0].norm) for ax in panels}) == 1
    assert panels[0].collections[0].norm.vmax == pytest.approx(21 * 36 / 7)


def test_each_network_may_have_a_scale_of_its_own_beside_it(runs, overlaps):
    figure = plots.heatmaps(frame_of(runs), measure="out_grad_norm", shares_scale=False)
    panels, bars = figure.axes[:4], figure.axes[4:]
    assert len(bars) == 4
    for ax, bar in zip(panels, bars, strict=True):
        values = ax.collections[0].get_array()
        assert (ax.collections[0].norm.vmin, ax.collections[0].norm.vmax) == (values.min(), values.max())
        assert bar.get_ylim() == pytest.approx((values.min(), values.max()))
        assert 0 < bar.get_position().x0 - ax.get_position().x1 < 0.05
    assert overlaps(figure) == ([], [])


@pytest.mark.parametrize("width", [plots.SINGLE, plots.DOUBLE])
def test_a_diverged_seed_is_drawn_in_place_of_a_lower_one_and_named(runs, width, overlaps):
    frame = frame_of(runs)
    figure = plots.heatmaps(frame, width=width, diverged=["plain-6-seed1"])
    note = " ".join(figure.legends[0].get_title().get_text().split())
    assert note == "plain-6: seed 1, diverged; seed 0 of each other network; layer depth 1 = input"
    (panel,) = [ax for ax in figure.axes if ax.get_title(loc="left") == "plain-6"]
    table = frame[frame.run == "plain-6-seed1"].pivot(index="layer_depth", columns="step", values="grad_norm")
    np.testing.assert_allclose(panel.collections[0].get_array(), table)
    assert overlaps(figure) == ([], [])


def test_several_runs_in_one_panel_are_refused(runs, ax):
    with pytest.raises(ValueError, match="must hold one run"):
        plots.heatmap(frame_of(runs), ax)


@pytest.mark.parametrize(("which", "width"), [("many", plots.SINGLE), ("runs", plots.DOUBLE), ("own", plots.SINGLE)])
def test_no_text_overlaps_or_leaves_the_figure(which, width, request, overlaps):
    figure = plots.heatmaps(frame_of(request.getfixturevalue(which)), width=width)
    assert overlaps(figure) == ([], [])


def test_recordings_are_drawn_as_their_frame_in_the_colours_asked_for(runs):
    colors = ["#ffffff", "#ff0000"]
    drawn = plots.heatmaps(runs, palette=colors, title="Mine")
    assert drawn.get_suptitle().startswith("Mine")
    for ax, same in zip(drawn.axes, plots.heatmaps(frame_of(runs)).axes, strict=True):
        for mesh, other in zip(ax.collections, same.collections, strict=True):
            np.testing.assert_array_equal(mesh.get_array(), other.get_array())
    mesh = plots.heatmap(runs[0], Figure().subplots(), palette=colors, title="mine").collections[0]
    assert mesh.axes.get_title() == "mine"
    for cmap in (mesh.get_cmap(), drawn.axes[0].collections[0].get_cmap(), drawn.axes[-1].collections[-1].get_cmap()):
        assert [to_hex(cmap(end)) for end in (0.0, 1.0)] == colors
    assert plots.heatmaps(runs).axes[0].collections[0].get_cmap()(0.5) == mpl.colormaps["viridis"](0.5)
    assert (
        to_hex(plots.heatmap(runs[0], Figure().subplots(), palette="deep").collections[0].get_cmap()(0.0)) == "#4c72b0"
    )
