import numpy as np
import pytest

from gradflow import analysis, plots


def frame_of(runs):
    return analysis.degree_over_seeds(analysis.degree(runs))


def test_lines_are_mean_decades_against_the_moment(runs, ax):
    frame = frame_of(runs)
    plots.degree(frame, ax)
    lines = [line for line in ax.lines if len(line.get_xdata()) == 4]
    assert len(lines) == 4
    np.testing.assert_array_equal(lines[0].get_xdata(), range(4))
    np.testing.assert_allclose(lines[0].get_ydata(), -2 * np.log10(4))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "10", "20"]


def test_an_end_without_gradient_leaves_a_gap(runs, ax):
    frame = frame_of(runs)
    gone = (frame.moment == "10") & (frame.family == "plain") & (frame.depth == 4)
    plots.degree(frame.assign(decades=frame.decades.mask(gone, -np.inf)), ax)
    drawn = [line for line in ax.lines if len(line.get_xdata()) == 4]
    assert np.isnan(drawn[0].get_ydata()).tolist() == [False, False, True, False]


def test_other_steps_in_other_seeds_are_named_by_their_moment(make, ax):
    runs = [make("plain", 4, seed) for seed in (0, 1)]
    frame = frame_of(runs)
    plots.degree(frame.assign(steps=frame.steps.where(frame.moment != "end", "20, 30")), ax)
    assert [label.get_text() for label in ax.get_xticklabels()][-1] == "end"


def test_a_frame_of_other_measures_is_refused(runs, ax):
    with pytest.raises(ValueError, match="no rows"):
        plots.degree(frame_of(runs), ax, measure="weight_norm")


@pytest.mark.parametrize(("which", "width"), [("many", plots.SINGLE), ("runs", plots.DOUBLE), ("own", plots.SINGLE)])
def test_no_text_overlaps_or_leaves_the_figure(which, width, request, overlaps):
    figure = plots.degree_figure(frame_of(request.getfixturevalue(which)), width=width)
    assert overlaps(figure) == ([], [])
