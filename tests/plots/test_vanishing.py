"""Lines read back from the axes against the frame."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from gradflow.plots import vanishing, vanishing_figure
from gradflow.plots.handles import edge_handles

LAYERS = np.arange(1, 20)
FACTORS = {"a": 0.5, "b": 1.2}


def frame(measure="out_grad_norm", predicted=True, **columns):
    parts = []
    for setting, factor in FACTORS.items():
        mean = factor ** (19.0 - LAYERS)
        part = pd.DataFrame({"setting": setting, "label": setting.upper(), "measure": measure, "layer_depth": LAYERS})
        part = part.assign(mean=mean, low=0.9 * mean, high=1.1 * mean, n=10, predicted=mean if predicted else np.nan)
        parts.append(part)
    return pd.concat(parts, ignore_index=True).assign(**columns)


def axes():
    return Figure(figsize=(7, 3)).subplots()


def labelled(ax, label):
    return next(line for line in ax.lines if line.get_label() == label)


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_lines_are_the_means_on_a_log_axis():
    ax = vanishing(frame(), axes())
    assert ax.get_yscale() == "log"
    for setting, factor in FACTORS.items():
        line = labelled(ax, setting.upper())
        np.testing.assert_array_equal(line.get_xdata(), LAYERS)
        np.testing.assert_allclose(line.get_ydata(), factor ** (19.0 - LAYERS))


def test_closed_forms_toy_and_bands_are_drawn_and_named():
    ax = vanishing(frame(), axes())
    assert len(ax.lines) == 2 * 2 + 1
    assert len(ax.collections) == 2
    assert legend_texts(ax) == ["B", "A", "closed form", "0.8 per layer (toy)"]
    assert ax.get_xlabel().endswith("mean and 95 % interval, n = 10 seeds")
    toy = labelled(ax, "0.8 per layer (toy)").get_ydata()
    np.testing.assert_allclose(toy, 0.8 ** (19.0 - LAYERS))


def test_settings_differ_in_colour_and_in_marker():
    ax = vanishing(frame(), axes())
    first, second = labelled(ax, "A"), labelled(ax, "B")
    assert first.get_color() != second.get_color()
    assert first.get_marker() != second.get_marker()


def test_no_closed_form_is_drawn_where_there_is_none():
    ax = vanishing(frame("grad_norm", predicted=False), axes(), measure="grad_norm")
    assert len(ax.lines) == 2 + 1
    assert "closed form" not in legend_texts(ax)
    assert "weight gradient" in ax.get_title()


def test_zeros_are_drawn_at_an_edge_that_the_legend_names():
    data = frame()
    data.loc[data.layer_depth == 1, ["mean", "low", "high"]] = [0.0, np.nan, np.nan]
    ax = vanishing(data, axes())
    feet = [line for line in ax.lines if line.get_marker() == "v" and line.get_linestyle() == "None"]
    assert [line.get_xdata().tolist() for line in feet] == [[1], [1]]
    assert 0 < feet[0].get_ydata()[0] < np.nanmin(labelled(ax, "A").get_ydata())
    assert edge_handles(zeros=True, nonfinite=False)[0].get_label() in legend_texts(ax)


def test_one_seed_says_that_it_has_no_interval():
    ax = vanishing(frame(n=1, low=np.nan, high=np.nan), axes())
    assert "no interval" in ax.get_xlabel()


def test_input_and_global_settings_stay_as_they_are():
    data, settings = frame(), dict(mpl.rcParams)
    before = data.copy()
    vanishing_figure(data)
    pd.testing.assert_frame_equal(data, before)
    assert dict(mpl.rcParams) == settings


@pytest.mark.parametrize("width", [3.4, 7.0])
@pytest.mark.parametrize("measure", ["out_grad_norm", "grad_norm"])
def test_legend_covers_no_data_and_everything_is_inside_the_figure(width, measure):
    figure = vanishing_figure(frame(measure), width, measure=measure)
    figure.draw_without_rendering()
    ax = figure.axes[0]
    legend = figure.legends[0].get_window_extent()
    assert not legend.overlaps(ax.get_window_extent())
    for box in (legend, ax.title.get_window_extent(), ax.yaxis.label.get_window_extent()):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


def test_missing_column_and_missing_measure_are_named():
    with pytest.raises(ValueError, match="lacks the column 'predicted'"):
        vanishing(frame().drop(columns="predicted"), axes())
    with pytest.raises(ValueError, match="no rows"):
        vanishing(frame(), axes(), measure="grad_norm")
