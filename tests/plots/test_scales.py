import math

import numpy as np

from gradflow.plots.scales import edge_handles, log_axis, percent_axis


def test_zeros_and_infinities_lie_inside_the_axes_and_outside_the_values(ax):
    scale = log_axis(ax, [1e-8, 1e3, 0.0, math.inf, math.nan], zeros=True, nonfinite=True)
    low, high = ax.get_ylim()
    placed = scale.place([0.0, math.inf, 5.0, math.nan])
    assert low < placed[0] < 1e-8
    assert 1e3 < placed[1] < high
    np.testing.assert_array_equal(placed[2:], [5.0, math.nan])


def test_limits_hold_every_value_of_any_magnitude(ax):
    log_axis(ax, [1e-300, 1e280])
    low, high = ax.get_ylim()
    assert 0 < low < 1e-300
    assert 1e280 < high < math.inf


def test_level_values_look_level(ax):
    log_axis(ax, [1.0, 1.01])
    low, high = ax.get_ylim()
    assert high / low >= 4


def test_nothing_positive_still_makes_an_axis(ax):
    scale = log_axis(ax, [0.0, math.nan], zeros=True)
    assert ax.get_ylim()[0] < scale.zero < ax.get_ylim()[1]


def test_the_legend_names_the_edges_in_use():
    assert [handle.get_label() for handle in edge_handles(zeros=True, nonfinite=False)] == ["zero, at the foot"]
    assert not edge_handles(zeros=False, nonfinite=False)


def test_fractions_are_shown_as_percent(ax):
    percent_axis(ax)
    assert ax.yaxis.get_major_formatter()(0.25) == "25 %"
    assert ax.yaxis.get_major_formatter()(-0.5) == "−50 %"
