import numpy as np
import pandas as pd
import pytest

from gradflow import Recording, analysis, plots


def run(layers=("rnn",), seed=0, steps=(0, 10), first=1e-8, **meta):
    rows = [
        pd.DataFrame({"step": step, "layer": layer, "tensor": tensor, "time": range(9), "grad_norm": norms})
        for step in steps
        for layer in layers
        for tensor, norms in (
            ("input", np.geomspace(first * (1 + seed), 1.0, 9)),
            ("output", np.where(np.arange(9) == 8, 0.5, 0.0)),
        )
    ]
    return Recording(times=pd.concat(rows), meta={"run": f"mine {seed}", "family": "mine", "seed": seed, **meta})


def frame(*runs):
    return analysis.gradient_over_time_over_seeds(analysis.gradient_over_time(runs))


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_lines_are_geometric_means_against_the_position(ax):
    found = frame(run(steps=(0,)), run(seed=1, steps=(0,)))
    plots.gradient_over_time(found, ax)
    line = ax.lines[0]
    np.testing.assert_array_equal(line.get_xdata(), np.arange(9))
    ends = np.geomspace(1e-8, 1, 9), np.geomspace(2e-8, 1, 9)
    np.testing.assert_allclose(line.get_ydata(), np.sqrt(ends[0] * ends[1]))
    assert ax.get_yscale() == "log"


def test_zeros_stand_at_the_foot_and_a_norm_alone_has_a_mark():
    figure = plots.gradient_over_time_figure(frame(run()))
    (ax, _) = figure.axes
    marks = next(line for line in ax.lines if line.get_marker() == "v")
    np.testing.assert_array_equal(marks.get_xdata(), np.arange(8))
    assert ax.get_ylim()[0] < marks.get_ydata()[0] < 1e-8
    alone = next(line for line in ax.lines if line.get_marker() not in ("", "None", "v"))
    assert np.isfinite(alone.get_ydata()).sum() == 1
    assert "zero, at the foot" in legend(figure)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["before training", "after 10 updates"]


def test_sequences_are_named_and_networks_too_where_there_are_several():
    assert legend(plots.gradient_over_time_figure(frame(run())))[:2] == ["rnn, input", "rnn, output"]
    several = plots.gradient_over_time_figure(frame(run(), run(family="other", run="o")))
    assert {"mine: rnn, input", "other: rnn, output"} <= set(legend(several))


def test_of_many_sequences_the_first_inputs_are_drawn_and_said():
    figure = plots.gradient_over_time_figure(frame(run(layers=[f"rnn{place}" for place in range(20)])))
    names = [name for name in legend(figure) if name.startswith("rnn")]
    assert len(names) == 12
    assert all(name.endswith("input") for name in names)
    assert "12 of 40 sequences are drawn" in figure.legends[0].get_title().get_text()


def test_a_frame_of_several_steps_is_refused(ax):
    with pytest.raises(ValueError, match="one step; got 0, 10"):
        plots.gradient_over_time(frame(run()), ax)


@pytest.mark.parametrize("width", [plots.SINGLE, plots.DOUBLE])
def test_no_text_overlaps_or_leaves_the_figure(width, overlaps):
    figure = plots.gradient_over_time_figure(
        frame(run(layers=("encoder.rnn", "decoder.rnn"), steps=(0, 1, 10, 99))), width
    )
    assert overlaps(figure) == ([], [])
