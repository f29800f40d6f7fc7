import numpy as np
import pandas as pd
import pytest

from gradflow import analysis, plots


def frames(runs):
    frame = analysis.degradation(runs)
    return frame, analysis.degradation_over_seeds(frame)


def rings(ax):
    """Return the ordinates of all scattered points."""
    return [float(y) for points in ax.collections if hasattr(points, "get_sizes") for y in points.get_offsets()[:, 1]]


def test_lines_are_means_and_points_are_seeds(runs, ax):
    frame, over = frames(runs)
    plots.degradation(frame, over, ax)
    for family, rows in frame.groupby("family"):
        expected = rows.groupby("depth").train_error.mean()
        drawn = [line for line in ax.lines if len(line.get_xdata()) == 2]
        assert any(np.allclose(line.get_ydata(), expected) for line in drawn), family
    assert sorted(rings(ax)) == pytest.approx(sorted(frame.train_error))


def test_bars_are_the_intervals_and_the_label_names_them(runs, ax):
    frame, over = frames(runs)
    plots.degradation(frame, over, ax, measure="test_error")
    bars = [container[2][0].get_segments()[0][:, 1] for container in ax.containers]
    expected = over[["test_error_low", "test_error_high"]].to_numpy()
    np.testing.assert_allclose(sorted(map(tuple, bars)), sorted(map(tuple, expected)))
    assert "95 % interval, n = 2 seeds" in ax.get_xlabel()
    assert ax.get_ylabel() == "test error after training"


def test_one_seed_has_neither_bar_nor_ring_and_says_so(make, ax):
    frame, over = frames([make("plain", 4, 0), make("plain", 6, 0)])
    plots.degradation(frame, over, ax)
    assert not any(container.has_yerr for container in ax.containers)
    assert not rings(ax)
    assert "1 seed, no interval" in ax.get_xlabel()


def test_a_diverged_run_is_named(make, ax):
    frame, over = frames([make("plain", 4, 0, status="diverged")])
    plots.degradation(frame, over, ax)
    assert "diverged" in [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(rings(ax)) == 1


def test_runs_without_depth_are_named_on_the_axis(own, ax):
    plots.degradation(*frames(own), ax)
    assert {label.get_text().strip()[:4] for label in ax.get_xticklabels()} == {"_oth", r"my \$"[:4]}
    assert len(ax.get_xticks()) == 2


def test_difference_is_drawn_at_its_depth(runs, ax):
    pairs = analysis.paired_difference(analysis.degradation(runs))
    plots.paired_difference(pairs, ax)
    drawn = [(float(c[0].get_xdata()[0]), float(c[0].get_ydata()[0])) for c in ax.containers]
    np.testing.assert_allclose(drawn, pairs[["depth", "mean"]].to_numpy(dtype=float))


@pytest.mark.parametrize(("which", "width"), [("many", plots.SINGLE), ("runs", plots.DOUBLE), ("own", plots.SINGLE)])
def test_no_text_overlaps_or_leaves_the_figure(which, width, request, overlaps):
    frame, over = frames(request.getfixturevalue(which))
    figure = plots.degradation_figure(frame, over, analysis.paired_difference(frame), width=width)
    assert overlaps(figure) == ([], [])
    assert len(figure.axes) == (1 if which == "own" else 2)


def test_the_wrong_frame_is_refused(runs, ax):
    over = frames(runs)[1]
    with pytest.raises(ValueError, match="lacks the column 'diverged'"):
        plots.degradation(over, over, ax)


def test_published_errors_are_hollow_and_illustrations_faint_lines_apart_from_what_was_measured(runs, ax):
    rows = [("plain", 4, 0.2, "a paper", "published"), ("plain", 8, 0.3, "a paper", "published")]
    rows += [("residual", depth, 0.1, "a course", "illustrative") for depth in (4, 6)]
    known = pd.DataFrame(rows, columns=["family", "depth", "error", "source", "kind"]).assign(measure="")
    before = len(ax.lines)
    plots.degradation(*frames(runs), ax, published=known)
    drawn = {line.get_label(): line for line in ax.lines[before:] if line.get_label().partition(":")[1]}
    points, line = drawn["published: a paper"], drawn["residual, illustrative, not measured: a course"]
    assert (points.get_linestyle(), points.get_markerfacecolor()) == ("None", "none")
    assert list(points.get_ydata()) == [0.2, 0.3]
    assert (line.get_marker(), list(line.get_ydata())) == ("None", [0.1, 0.1])
    assert {"published: a paper", "residual, illustrative, not measured: a course"} <= {
        text.get_text().replace("\n", " ") for text in ax.get_legend().get_texts()
    }
    assert ax.get_xlim()[1] > 8


def test_published_errors_of_the_other_measure_are_left_out(runs, ax):
    known = pd.DataFrame(
        [{"family": "plain", "depth": 4, "error": 0.2, "source": "s", "kind": "published", "measure": "test_error"}]
    )
    plots.degradation(*frames(runs), ax, published=known)
    assert not any("published" in text.get_text() for text in ax.get_legend().get_texts())


def test_depths_of_a_wide_range_stand_on_a_logarithmic_axis(make, ax):
    plots.degradation(*frames([make("plain", depth, 0) for depth in (3, 6, 100)]), ax)
    assert list(ax.get_xticks()) == pytest.approx(np.log2([3, 6, 100]))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["3", "6", "100"]
    assert "(log)" in ax.get_xlabel()


def test_differences_of_variants_have_lines_of_their_own(ax):
    rows = [(depth, lr, f"lr {lr}") for depth in (4, 6) for lr in (0.1, 0.2)]
    frame = pd.DataFrame(rows, columns=["depth", "mean", "settings"]).assign(n=2, low=0, high=1)
    plots.paired_difference(frame, ax)
    joined = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 0.8][1:]
    assert [list(line.get_ydata()) for line in joined] == [[0.1, 0.1], [0.2, 0.2]]
    assert len({str(line._unscaled_dash_pattern) for line in joined}) == 2


def test_markers_of_one_value_stand_apart():
    frame = pd.DataFrame(
        [
            {"run": f"{family}-{depth}-{seed}", "family": family, "depth": depth, "seed": seed, "diverged": False}
            | {"train_error": 0.0, "test_error": 0.0}
            for family in ("plain", "residual")
            for depth in (20, 56, 110)
            for seed in (0, 1)
        ]
    )
    figure = plots.degradation_figure(frame)
    figure.draw_without_rendering()
    ax = figure.axes[0]
    size = 6 * figure.dpi / 72  # points of a marker
    means = {float(one[0].get_xdata()[0]) for one in ax.containers}
    seeds = {float(x) for dots in ax.collections if len(dots.get_offsets()) for x, _ in dots.get_offsets()}
    places = sorted(ax.transData.transform((x, 0.0))[0] for x in means | seeds if 10 < x < 40)
    assert len(places) == 4
    assert min(np.diff(places)) > 0.75 * size
