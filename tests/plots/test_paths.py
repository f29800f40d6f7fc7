"""Lines read back from the axes against the frame."""

import math

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from gradflow.analysis.paths import PublishedLengths, path_lengths, path_shares
from gradflow.figures.paths_figure import paths as described
from gradflow.plots import paths, paths_figure
from gradflow.reporting.live.screen import live

N_BLOCKS = 20


def frame(scale=0.3):
    length = np.arange(N_BLOCKS + 1)
    gradient = 0.1 * scale**length
    counts = [float(math.comb(N_BLOCKS, k)) for k in length]
    found = pd.DataFrame({"length": length, "paths": counts, "gradient": gradient, "share": path_shares(gradient)})
    is_drawn = found["paths"] > 10
    half = np.where(is_drawn, 0.2, 0.0) * gradient
    return found.assign(low=gradient - half, high=gradient + half, n=np.minimum(10, counts))


def axes():
    return Figure(figsize=(7, 3)).subplots()


@pytest.mark.parametrize("quantity", ["paths", "gradient", "share"])
def test_lines_are_the_frame_s(quantity):
    data = frame()
    ax = paths(data, axes(), quantity=quantity)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), data["length"])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), data[quantity])
    assert ax.get_yscale() == ("linear" if quantity == "share" else "log")


def test_mean_and_middle_half_of_the_share_are_marked_and_named():
    data = frame()
    found = path_lengths(data)
    ax = paths(data, axes())
    assert ax.lines[1].get_xdata()[0] == pytest.approx(found.mean)
    box = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (box.x0, box.x1) == pytest.approx((found.quarter, found.three_quarters))
    texts = [text.get_text() for text in paths_figure(data).legends[0].get_texts()]
    assert texts == [f"middle half of the share: {found.quarter} to {found.three_quarters}", "mean length"]


@pytest.mark.parametrize("length", [0, 6])
def test_one_length_of_many_is_a_point_without_marks(length):
    data = frame().query("length == @length")
    (line,) = paths(data, axes()).lines
    assert list(line.get_xdata()) == [length]
    assert list(line.get_ydata()) == list(data["share"])
    figure = paths_figure(data)
    assert not figure.legends[0].get_texts()
    assert [len(ax.lines) for ax in figure.axes] == [1, 1, 1]
    assert [list(ax.get_xlim()) for ax in figure.axes] == [[length - 1, length + 1]] * 3
    (bar,) = figure.axes[1].collections[-1].get_segments()
    np.testing.assert_allclose(bar, [[length, data["low"].iloc[0]], [length, data["high"].iloc[0]]])


def test_a_network_without_blocks_has_one_length_which_is_all_of_it():
    data = pd.DataFrame({"length": [0], "paths": 1.0, "gradient": 0.5, "share": 1.0, "low": 0.5, "high": 0.5, "n": 1})
    line, mean = paths(data, axes()).lines
    assert (line.get_xdata()[0], line.get_ydata()[0], mean.get_xdata()[0]) == (0, 1, 0)
    assert paths_figure(data).get_suptitle().endswith("0 blocks, mean length 0.0")


@pytest.mark.parametrize("longest", [9, 40])
def test_published_lengths_are_shaded_and_named_in_place_of_the_middle(longest):
    data = frame()
    known = PublishedLengths(5, longest, 54, "a paper")
    ax = paths(data, axes(), published=known)
    box = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (box.x0, box.x1) == pytest.approx((5, longest))
    assert ax.lines[1].get_xdata()[0] == pytest.approx(path_lengths(data).mean)
    assert ax.get_xlim()[1] < N_BLOCKS + 2  # of the lengths that there are
    texts = [text.get_text() for text in paths_figure(data, published=known).legends[0].get_texts()]
    assert texts == [f"published for 54 blocks: 5 to {longest}", "mean length"]


def test_the_live_figure_shades_what_the_printed_one_does():
    data, known = frame(), PublishedLengths(5, 17, 54, "a paper")
    for published, ends in ((known, (5, 17)), (None, path_lengths(data)[2:5:2])):
        shown = live(described(data, published=published))
        shade, line = (part["data"]["values"][0] for part in parts_with_data(shown.wide))
        assert (shade, line) == ({"from": ends[0], "to": ends[1]}, {"from": path_lengths(data).mean})
        box = paths(data, axes(), published=published).patches[0]
        assert (box.get_x(), box.get_x() + box.get_width()) == ends


def parts_with_data(spec):
    views = [view for row in spec["vconcat"] for view in row["hconcat"]]
    return [part for view in views for part in view["layer"] if "data" in part]


def test_note_tells_drawn_paths_from_all_of_them():
    title = paths_figure(frame()).legends[0].get_title().get_text()
    assert title == "mean and 95 % interval over 10 paths drawn of each length"
    every = frame().assign(low=frame()["gradient"], high=frame()["gradient"])
    assert paths_figure(every).legends[0].get_title().get_text() == "mean of all paths of each length"


def test_interval_that_reaches_zero_is_left_out_and_said():
    data = frame()
    data.loc[data["length"] == 5, "low"] = -1.0
    data.loc[data["length"] == 6, "n"] = 25
    (band,) = paths(data, axes(), quantity="gradient").collections
    assert min(path.vertices[:, 1].min() for path in band.get_paths()) > 0
    note = paths_figure(data).legends[0].get_title().get_text()
    assert note == "mean and 95 % interval over 10 to 25 paths drawn of each length,\nleft out where it reaches 0"


def test_zero_gradients_stand_at_the_foot():
    data = frame()
    data.loc[data["length"] > 3, ["gradient", "low", "high"]] = 0.0
    data["share"] = path_shares(data["gradient"])
    figure = paths_figure(data)
    line, foot = figure.axes[1].lines
    assert np.isnan(line.get_ydata()[4:]).all()
    assert foot.get_xdata().tolist() == list(range(4, N_BLOCKS + 1))
    assert 0 < foot.get_ydata()[0] < np.nanmin(line.get_ydata())
    assert "zero, at the foot" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_input_and_settings_stay_as_they_are():
    data, settings = frame(), dict(mpl.rcParams)
    before = data.copy()
    paths_figure(data)
    pd.testing.assert_frame_equal(data, before)
    assert dict(mpl.rcParams) == settings


@pytest.mark.parametrize("width", [3.4, 7.0])
def test_texts_neither_overlap_nor_leave_the_figure(width, overlaps):
    assert overlaps(paths_figure(frame(), width)) == ([], [])


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="lacks the column 'share'"):
        paths(frame().drop(columns="share"), axes())
    with pytest.raises(ValueError, match="quantity must be one of paths, gradient, share; got 'norm'"):
        paths(frame(), axes(), quantity="norm")
