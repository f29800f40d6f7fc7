import numpy as np
import pytest

from gradflow import analysis, plots
from gradflow.figures.stall_figure import LINKS, ordered


def frame_of(runs):
    return analysis.stall_over_seeds(analysis.stall(runs))


def test_each_network_has_a_row_with_its_mark_and_interval(runs, ax):
    frame = ordered(frame_of(runs))
    plots.stall_link(frame, ax, link=LINKS[1])
    marks = [line for line in ax.lines if line.get_marker() in ("o", "s")]
    filled = [line for line in marks if line.get_markerfacecolor() != "white"]
    np.testing.assert_allclose([line.get_xdata()[0] for line in filled], frame.growth)
    assert [line.get_ydata()[0] for line in filled] == [0, 1, 2, 3]
    hollow = [line for line in marks if line.get_markerfacecolor() == "white"]
    np.testing.assert_allclose([line.get_xdata()[0] for line in hollow], frame.first_growth)
    spans = [line for line in ax.lines if line.get_linewidth() == 2.4]
    np.testing.assert_allclose([line.get_xdata() for line in spans], frame[["growth_low", "growth_high"]])


def test_rows_are_named_after_their_networks(runs, ax):
    plots.stall_link(frame_of(runs), ax)
    names = {label.get_position()[1]: label.get_text() for label in ax.get_yticklabels()}
    assert names == {0: "plain-4", 1: "residual-4", 2: "plain-6", 3: "residual-6"}
    colors = {line.get_ydata()[0]: line.get_color() for line in ax.lines if line.get_marker() in ("o", "s")}
    assert colors[0] == colors[1] != colors[2] == colors[3]


def test_the_rows_of_a_figure_are_named_once_a_row_of_panels(runs):
    figure = plots.stall_figure(frame_of(runs))
    figure.draw_without_rendering()
    shown = [[label.get_text() for label in ax.get_yticklabels() if label.get_visible()] for ax in figure.axes]
    assert shown == [["plain-4", "residual-4", "plain-6", "residual-6"], *[[]] * (len(figure.axes) - 1)]


def test_everything_drawn_is_within_the_axes(runs, ax):
    for link in LINKS:
        ax.clear()
        plots.stall_link(frame_of(runs), ax, link=link)
        low, high = ax.get_xlim()
        places = np.concatenate([np.asarray(line.get_xdata(), dtype=float) for line in ax.lines])
        assert ((places >= low) & (places <= high)).all()


def test_links_that_were_not_measured_have_no_panel(make):
    run = make("plain", 4, 0)
    steps = run.steps.assign(train_error=np.nan)
    figure = plots.stall_figure(frame_of([type(run)(layers=run.layers, steps=steps, meta=run.meta)]))
    assert "training error" not in " ".join(ax.get_title(loc="left") for ax in figure.axes)
    assert len(figure.axes) == len(LINKS) - 1


def test_a_frame_of_something_else_is_refused(runs, ax):
    with pytest.raises(ValueError, match="stall_over_seeds"):
        plots.stall_link(analysis.degree(runs), ax)


@pytest.mark.parametrize(("which", "width"), [("many", plots.SINGLE), ("runs", plots.DOUBLE), ("own", plots.SINGLE)])
def test_no_text_overlaps_or_leaves_the_figure(which, width, request, overlaps):
    figure = plots.stall_figure(frame_of(request.getfixturevalue(which)), width=width)
    assert overlaps(figure) == ([], [])
