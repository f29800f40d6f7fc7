"""Factors beside their closed forms are the same on paper and on the screen."""

import math

import numpy as np
import pandas as pd
import pytest

from gradflow.figures.factors_figure import factors
from gradflow.plots import paper
from gradflow.reporting.live.screen import live


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "label": ["tanh, default", "", ""],
            "family": ["", "plain", "residual"],
            "depth": pd.array([None, 20, 20], dtype="Int64"),
            "stage": pd.array([None, 0, 1], dtype="Int64"),
            "n": [10, 3, 3],
            "factor": [0.8, 1.2, math.nan],
            "low": [0.7, math.nan, math.nan],
            "high": [0.9, math.nan, math.nan],
            "predicted": [0.85, math.nan, 1.1],
        }
    )


def test_factors_intervals_and_closed_forms_have_a_row_each_setting(frame):
    (ax,) = paper.page(lambda: factors(frame)).axes
    drawn = {marker: [one for one in ax.lines if one.get_marker() == marker] for marker in ("o", "|")}
    assert [(one.get_xdata()[0], one.get_ydata()[0]) for one in drawn["o"]] == [(0.8, 0), (1.2, 1)]
    assert [(one.get_xdata()[0], one.get_ydata()[0]) for one in drawn["|"]] == [(0.85, 0)]
    assert [list(one.get_xdata()) for one in ax.lines if one.get_alpha() == 0.35] == [[0.7, 0.9]]
    shown = live(factors(frame)).rows.set_index("name")
    assert shown.index.tolist() == ["tanh, default", "plain-20, stage 1"]
    np.testing.assert_array_equal(shown[["factor", "low", "high", "predicted"]], frame.iloc[:2, 5:])


def test_what_was_not_measured_is_no_figure(frame):
    assert live(factors(frame.assign(factor=math.nan))) is None
