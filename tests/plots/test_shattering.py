"""Lines read back from the axes against the frame."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from gradflow.plots import (
    autocorrelation,
    autocorrelation_figure,
    shattering,
    shattering_figure,
    shattering_layers,
    shattering_layers_figure,
)
from gradflow.theory.correlation import brown_noise, white_noise

DEPTHS = [1, 2, 4, 128]


def frame(predicted=True):
    parts = []
    for family, base in (("plain", 0.5), ("residual", 0.9)):
        for norm in ("", "batch"):
            mean = base ** np.array(DEPTHS, dtype=float) - 0.01 * (norm == "batch")
            part = pd.DataFrame({"family": family, "norm": norm, "depth": DEPTHS, "mean": mean, "n": 10})
            parts.append(part.assign(low=mean - 0.02, high=mean + 0.02, predicted=mean if predicted else np.nan))
    return pd.concat(parts, ignore_index=True)


def lag_frame():
    lag = np.arange(6.0)
    rows = [
        pd.DataFrame({"family": family, "norm": norm, "depth": depth, "lag": lag, "mean": 0.9 ** (lag * depth)})
        for family in ("plain", "residual")
        for norm in ("", "batch")
        for depth in (1, 4)
    ]
    found = pd.concat(rows, ignore_index=True).assign(n=10, points=64)
    return found.assign(low=found["mean"] - 0.1, high=found["mean"] + 0.1).astype({"depth": "Int64"})


def axes():
    return Figure(figsize=(7, 3)).subplots()


def labelled(ax, label):
    return next(line for line in ax.lines if line.get_label() == label)


def test_lines_are_the_means_with_band_and_closed_form():
    data = frame()
    ax = shattering(data, axes())
    line = labelled(ax, "plain, batch norm")
    rows = data[(data.family == "plain") & (data.norm == "batch")]
    np.testing.assert_array_equal(line.get_xdata(), DEPTHS)
    np.testing.assert_array_equal(line.get_ydata(), rows["mean"])
    assert (len(ax.lines), len(ax.collections)) == (8, 4)
    assert ax.get_xscale() == "log"


def test_colour_is_the_norm_and_line_style_the_family():
    ax = shattering(frame(), axes())
    plain, residual = labelled(ax, "plain, no norm"), labelled(ax, "residual, no norm")
    assert plain.get_color() == residual.get_color() != labelled(ax, "plain, batch norm").get_color()
    assert plain.get_linestyle() == "--"
    assert residual.get_linestyle() == "-"


def test_no_closed_form_is_drawn_or_named_where_there_is_none():
    figure = shattering_figure(frame(predicted=False))
    assert len(figure.axes[0].lines) == 4
    assert "closed form" not in [text.get_text() for text in figure.legends[0].get_texts()]


def test_autocorrelation_stands_beside_brown_and_white_noise():
    data = lag_frame()
    ax = autocorrelation(data[data.norm == "batch"], axes())
    np.testing.assert_allclose(labelled(ax, "plain-4").get_ydata(), 0.9 ** (4 * np.arange(6.0)))
    np.testing.assert_array_equal(labelled(ax, "brown noise").get_ydata(), brown_noise(64, 5))
    np.testing.assert_array_equal(labelled(ax, "white noise").get_ydata(), white_noise(64, 5))


def test_seeds_are_named_in_the_figures():
    for figure in (shattering_figure(frame()), autocorrelation_figure(lag_frame())):
        assert figure.legends[0].get_title().get_text() == "mean, 95 % interval, n = 10 seeds"
    single = frame().assign(n=1, low=np.nan, high=np.nan)
    assert "no interval" in shattering_figure(single).legends[0].get_title().get_text()


def test_frames_and_settings_stay_as_they_are():
    data, lags, settings = frame(), lag_frame(), dict(mpl.rcParams)
    before, lags_before = data.copy(), lags.copy()
    shattering_figure(data)
    autocorrelation_figure(lags)
    pd.testing.assert_frame_equal(data, before)
    pd.testing.assert_frame_equal(lags, lags_before)
    assert dict(mpl.rcParams) == settings


@pytest.mark.parametrize("width", [3.4, 7.0])
def test_texts_neither_overlap_nor_leave_the_figure(width, overlaps):
    for figure in (shattering_figure(frame(), width), autocorrelation_figure(lag_frame(), width)):
        assert overlaps(figure) == ([], [])


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="lacks the column 'predicted'"):
        shattering(frame().drop(columns="predicted"), axes())
    with pytest.raises(ValueError, match="must hold one norm; got no norm, batch norm"):
        autocorrelation(lag_frame(), axes())
    with pytest.raises(ValueError, match="no rows"):
        shattering(frame().iloc[:0], axes())


def layer_frame():
    after = np.arange(5)
    rows = [
        pd.DataFrame({"family": family, "depth": depth, "layers_after": after, "mean": base**after, "n": 3})
        for family, base in (("plain", 0.5), ("residual", 0.9))
        for depth in (4, 8)
    ]
    found = pd.concat(rows, ignore_index=True).astype({"depth": "Int64"})
    return found.assign(low=found["mean"] - 0.1, high=found["mean"] + 0.1)


def test_layers_are_drawn_from_the_output_on_one_line_a_network():
    data = layer_frame()
    ax = shattering_layers(data.sample(frac=1, random_state=0), axes())
    line = labelled(ax, "plain-8")
    np.testing.assert_array_equal(line.get_xdata(), range(5))
    np.testing.assert_allclose(line.get_ydata(), 0.5 ** np.arange(5))
    assert (len(ax.lines), len(ax.collections)) == (4, 4)
    assert labelled(ax, "residual-8").get_color() == line.get_color() != labelled(ax, "plain-4").get_color()
    assert line.get_linestyle() == "--"


def test_layers_of_a_figure_name_their_interval_and_seeds():
    figure = shattering_layers_figure(layer_frame())
    assert figure.legends[0].get_title().get_text() == "mean, 95 % interval, n = 3 seeds"
    with pytest.raises(ValueError, match="frame lacks the column 'layers_after'"):
        shattering_layers(layer_frame().drop(columns="layers_after"), axes())
