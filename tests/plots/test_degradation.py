import numpy as np
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
