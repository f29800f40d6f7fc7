import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gradflow.analysis import degradation, degradation_over_seeds, paired_difference
from gradflow.recording import Recording

PLAIN = {20: [0.01, 0.02, 0.0], 56: [0.44, 0.56, 0.5]}
RESIDUAL = {20: [0.0, 0.01, 0.0], 56: [0.0, 0.0, 0.02]}


def run(family, depth, seed, error, **meta):
    steps = pd.DataFrame(
        {"step": [0, 50, 99, 100], "loss": [2.3, 1.0, 0.5, math.nan]}
        | {"train_error": [0.9, 0.6, math.nan, error], "test_error": [0.9, 0.7, math.nan, error + 0.1]}
    )
    name = {"run": f"{family}-{depth}-seed{seed}", "family": family, "depth": depth, "seed": seed}
    return Recording(steps=steps, meta={**name, **meta})


@pytest.fixture
def runs():
    return [
        run(family, depth, seed, error)
        for family, errors in (("plain", PLAIN), ("residual", RESIDUAL))
        for depth, values in errors.items()
        for seed, error in enumerate(values)
    ]


def test_errors_are_the_last_measured(runs):
    frame = degradation(runs)
    assert list(frame.train_error) == [error for errors in (PLAIN, RESIDUAL) for v in errors.values() for error in v]
    assert set(frame.step) == {100}
    assert not frame.diverged.any()


def test_mean_and_interval_agree_with_scipy(runs):
    frame = degradation_over_seeds(degradation(runs)).set_index(["family", "depth"])
    row = frame.loc[("plain", 56)]
    low, high = stats.t.interval(0.95, 2, loc=np.mean(PLAIN[56]), scale=stats.sem(PLAIN[56]))
    assert (row.n, row.train_error) == pytest.approx((3, np.mean(PLAIN[56])))
    assert (row.train_error_low, row.train_error_high) == pytest.approx((low, high))
    assert row.test_error == pytest.approx(np.mean(PLAIN[56]) + 0.1)


def test_difference_is_paired_by_seed(runs):
    frame = paired_difference(degradation(reversed(runs))).set_index("depth")
    paired = stats.ttest_rel(PLAIN[56], RESIDUAL[56]).confidence_interval()
    assert frame.loc[56, "mean"] == pytest.approx(np.mean(np.subtract(PLAIN[56], RESIDUAL[56])))
    assert tuple(frame.loc[56, ["low", "high"]]) == pytest.approx(tuple(paired))


def test_seeds_without_a_partner_do_not_count(runs):
    frame = paired_difference(degradation([*runs, run("plain", 56, 7, 0.9), run("plain", 110, 0, 0.9)]))
    assert list(frame.depth) == [20, 56]
    assert list(frame.n) == [3, 3]


def test_one_seed_has_no_interval():
    frame = degradation_over_seeds(degradation(run("plain", 20, 0, 0.5)))
    assert frame.n.item() == 1
    assert frame[["train_error_low", "train_error_high"]].isna().all(axis=None)


def test_a_diverged_run_is_counted_and_keeps_its_last_error():
    runs = [run("plain", 56, 0, 0.5), run("plain", 56, 1, 0.9, status="diverged")]
    frame = degradation(runs)
    assert list(frame.diverged) == [False, True]
    over = degradation_over_seeds(frame)
    assert over.n_diverged.item() == 1
    assert over.train_error.item() == pytest.approx(0.7)


def test_an_infinite_loss_is_divergence():
    recording = Recording(steps=pd.DataFrame({"step": [0, 1], "loss": [2.0, math.inf]}))
    assert degradation(recording).diverged.item()


def test_a_recording_without_errors_has_none():
    row = degradation(Recording(steps=pd.DataFrame({"step": [0, 1]}), meta={"run": "mine"})).iloc[0]
    assert math.isnan(row.train_error)
    assert pd.isna(row.step)
    assert row.last_step == 1


def test_no_pairs_give_no_rows():
    assert len(paired_difference(degradation(run("plain", 20, 0, 0.5)))) == 0


def test_two_runs_of_one_seed_are_refused(runs):
    with pytest.raises(ValueError, match="one run per family, depth and seed"):
        degradation_over_seeds(degradation([*runs, runs[0]]))
