"""Errors against depth, their paired difference and what others published: the same on paper and on the screen."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from gradflow import analysis, plots
from gradflow.figures.axis_limits import limits
from gradflow.figures.model import Axis
from gradflow.reporting.degradation_section import on_screen as live_degradation


@pytest.fixture
def frames(make):
    runs = [make(family, depth, seed) for family in ("plain", "residual") for depth in (4, 6) for seed in (0, 1)]
    runs.append(make("plain", 8, 0, status="diverged"))
    frame = analysis.degradation(runs)
    return frame, analysis.degradation_over_seeds(frame), analysis.paired_difference(frame)


@pytest.fixture
def live(frames):
    frame, over, pairs = frames
    return live_degradation(frame, over, None, pairs)


def scattered(ax):
    return sorted(
        tuple(point) for points in ax.collections if hasattr(points, "get_sizes") for point in points.get_offsets()
    )


def of_kind(live, *kinds, measure="train_error"):
    rows = live.rows[live.rows["kind"].isin(kinds) & (live.rows["measure"] == measure)]
    return sorted(map(tuple, rows[["place", "value"]].to_numpy(dtype=float).tolist()))


def test_seeds_and_means_have_the_same_places_on_both(frames, live):
    ax = plots.degradation(*frames[:2], Figure().subplots())
    assert scattered(ax) == of_kind(live, "one", "diverged")
    dots = sorted((float(one[0].get_xdata()[0]), float(one[0].get_ydata()[0])) for one in ax.containers)
    assert dots == of_kind(live, "mean")
    beside = {round(place - mean, 3) for place, _ in scattered(ax)[:2] for mean, _ in dots[:1]}
    assert beside == {-0.12}  # 3 % of 4 layers, away from the other family


def test_both_have_the_same_limits(frames, live):
    figure = plots.degradation_figure(*frames)
    shown = {scale.when["measure"]: scale.signals for scale in live.scales if scale.when["family"] == ""}
    for ax, measure in zip(figure.axes, ("train_error", "difference"), strict=True):
        assert ax.get_ylim() == (shown[measure]["lo"], shown[measure]["hi"])
        assert ax.get_xlim() == (shown[measure]["left"], shown[measure]["right"])


def test_a_diverged_run_is_a_cross_on_the_screen_and_the_note_of_errors_says_so(live):
    (cross,) = [layer for layer in live.wide["layer"] if '"diverged"' in str(layer.get("transform"))]
    assert cross["mark"]["shape"].count("L") == 2
    assert of_kind(live, "diverged")[0][1] == pytest.approx(of_kind(live, "mean")[-1][1])
    (control,) = [one for one in live.controls if one.column == "measure"]
    assert {option.value: "Crosses" in option.note for option in control.options} == {
        "train_error": True,
        "test_error": True,
        "difference": False,
    }


def test_the_paired_difference_is_a_choice_that_no_family_hides(frames, live):
    rows = live.rows[live.rows["measure"] == "difference"]
    pairs = frames[2]
    np.testing.assert_array_equal(rows[["value", "low", "high"]].to_numpy(), pairs[["mean", "low", "high"]].to_numpy())
    assert rows["family"].isna().all()
    titles = {scale.when["measure"]: scale.signals["title"] for scale in live.scales}
    assert titles["difference"] == "plain − residual (% points)"
    assert titles["train_error"] == "training error after training"


def test_a_depth_has_one_colour_in_errors_and_differences(frames):
    errors, differences = plots.degradation_figure(*frames).axes  # 8 layers have no pair
    colors = [
        {round(float(one[0].get_xdata()[0])): one[0].get_color() for one in ax.containers}
        for ax in (errors, differences)
    ]
    assert colors[1] == {depth: colors[0][depth] for depth in (4, 6)}
    assert len(set(colors[0].values())) == 3


@pytest.mark.parametrize(("highest", "top"), [(0.0, 0.05), (0.5, 0.55), (0.99, 1.03), (1.0, 1.03)])
def test_an_axis_of_errors_begins_at_zero_and_has_a_tenth_over_the_largest_but_hardly_more_than_1(highest, top):
    low, high = limits(Axis("value", "", "error"), pd.DataFrame({"value": [0.0, highest], "family": "", "depth": 8}))
    assert high == pytest.approx(top)
    assert low == pytest.approx(-0.03 * top)


def test_names_of_runs_are_data_on_the_screen_and_in_no_expression(make):
    frame = analysis.degradation([make("'];alert(1)//", 4, 0, named=False), make("plain", 4, 0)])
    live = live_degradation(frame, analysis.degradation_over_seeds(frame))
    (names,) = [one["value"] for one in live.wide["params"] if one["name"] == "x_names"]
    assert names == ["4", "'];alert(1)//-4-seed0"]
    assert "alert" not in str([layer["encoding"]["x"] for layer in live.wide["layer"] if "x" in layer["encoding"]])


def test_ticks_that_would_touch_are_left_out_and_the_legend_names_such_runs(make):
    runs = [make(f"a run of name {number}", 4, 0, named=False) for number in range(9)]
    frame = analysis.degradation(runs)
    ax = plots.degradation(frame, analysis.degradation_over_seeds(frame), Figure(figsize=(6, 4)).subplots())
    shown = [label.get_text() for label in ax.get_xticklabels()]
    assert 1 < len(shown) < 9
    assert len(ax.get_legend().get_texts()) == 9
    boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))
