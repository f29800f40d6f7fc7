import numpy as np
import pytest
from drawings import along
from matplotlib.colors import to_hex

from gradflow import plots
from gradflow.figures.looks import depth_color

PAIRS = [("plain", 8), ("plain", 14), ("residual", 8)]


def test_test_errors_are_bold_and_training_errors_thin(ax):
    frame = along(PAIRS[:1])
    plots.learning_curve(frame, ax)
    thin, bold = sorted(ax.lines, key=lambda line: line.get_linewidth())
    for line, measure in ((thin, "train_error"), (bold, "test_error")):
        rows = frame[frame["measure"] == measure].sort_values("step")
        np.testing.assert_allclose(line.get_xydata(), rows[["step", "mean"]].to_numpy(dtype=float))
    assert bold.get_linewidth() >= 2 * thin.get_linewidth()


def test_plain_stands_left_and_residual_right_in_the_same_colours():
    plain, residual = plots.learning_curves(along(PAIRS)).axes
    assert (plain.get_title(loc="left"), residual.get_title(loc="left")) == ("plain", "residual")
    assert plain.get_ylim() == residual.get_ylim()
    assert {to_hex(line.get_color()) for line in residual.lines} == {depth_color(8, [8, 14])}


def test_the_wrong_frame_is_refused(ax):
    with pytest.raises(ValueError, match="lacks the column 'measure'"):
        plots.learning_curve(along(PAIRS).drop(columns="measure"), ax)
