import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gradflow.analysis import errors_over_seeds, training, window_means
from gradflow.recording import Recording

ERRORS = np.array([0.9, 0.7, 0.8, 0.4, 0.5, 0.1, 0.3])


@pytest.fixture
def recording():
    return Recording(steps=pd.DataFrame({"step": range(7), "batch_error": ERRORS}), meta={"run": "mine"})


def test_rows_are_the_steps_as_measured(recording):
    frame = training([recording, Recording(steps=pd.DataFrame({"step": [3], "loss": [1.0]}), meta={"run": "other"})])
    assert list(frame.run) == ["mine"] * 7 + ["other"]
    np.testing.assert_array_equal(frame.batch_error[:7], ERRORS)
    assert math.isnan(frame.batch_error.iloc[7])


def test_windows_do_not_overlap_and_the_last_may_be_short(recording):
    frame = window_means(training(recording), window=3)
    assert list(frame["mean"]) == pytest.approx([ERRORS[:3].mean(), ERRORS[3:6].mean(), ERRORS[6]])
    assert list(frame["step"]) == [1.0, 4.0, 6.0]
    assert list(frame.n) == [3, 3, 1]
    assert set(frame.window) == {3}


def test_a_window_of_one_is_the_measurement(recording):
    np.testing.assert_array_equal(window_means(training(recording), window=1)["mean"], ERRORS)


def test_runs_without_a_seed_are_not_mixed(recording):
    frame = window_means(training([recording, recording]), window=7)
    assert list(frame.run) == ["mine", "mine (2)"]


@pytest.mark.parametrize("window", [0, -3, 2.5, True])
def test_a_window_is_a_whole_number_of_steps(recording, window):
    with pytest.raises(ValueError, match="window must be a whole number"):
        window_means(training(recording), window=window)


def test_errors_along_training_are_means_over_the_seeds_that_measured_them():
    tables = [pd.DataFrame({"step": [0, 10], "test_error": [0.9, error]}) for error in (0.28, 0.32)]
    runs = [
        Recording(steps=table, meta={"run": str(seed), "family": "plain", "depth": 8, "seed": seed})
        for seed, table in enumerate(tables)
    ]
    frame = errors_over_seeds(training(runs))
    assert frame[["measure", "step", "n"]].to_numpy().tolist() == [["test_error", 0, 2], ["test_error", 10, 2]]
    assert frame["mean"].tolist() == pytest.approx([0.9, 0.3])
    half = stats.t.ppf(0.975, 1) * stats.sem([0.28, 0.32])
    assert frame["high"].tolist() == pytest.approx([0.9, 0.3 + half])


def test_the_interval_of_a_share_ends_at_0_and_1():
    tables = [pd.DataFrame({"step": [0, 10], "train_error": [error, 1 - error]}) for error in (0.0, 0.2)]
    runs = [
        Recording(steps=table, meta={"run": str(seed), "family": "plain", "depth": 8, "seed": seed})
        for seed, table in enumerate(tables)
    ]
    frame = errors_over_seeds(training(runs))
    half = stats.t.ppf(0.975, 1) * stats.sem([0.0, 0.2])
    assert half > 0.9
    assert frame["low"].tolist() == pytest.approx([0.0, max(0.9 - half, 0.0)])
    assert frame["high"].tolist() == pytest.approx([min(0.1 + half, 1.0), 1.0])
