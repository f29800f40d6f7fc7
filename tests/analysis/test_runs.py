import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gradflow.analysis.runs import as_list, check_seeds, identities, over_seeds
from gradflow.recording import Recording


def test_one_recording_is_accepted():
    recording = Recording(meta={"run": "mine"})
    assert as_list(recording) == [recording]


def test_something_else_is_refused_by_its_type():
    with pytest.raises(TypeError, match="got str"):
        as_list(["runs/plain-56"])


def test_a_recording_without_family_depth_and_seed_is_a_family_of_its_own():
    row = identities([Recording(meta={"run": "mine"})]).iloc[0]
    assert row.family == "mine"
    assert pd.isna(row.depth)
    assert pd.isna(row.seed)


def test_names_that_occur_twice_are_numbered():
    frame = identities([Recording(meta={"run": "mine"})] * 3)
    assert list(frame.run) == ["mine", "mine (2)", "mine (3)"]


def test_arithmetic_mean_and_interval_agree_with_scipy():
    values = [0.1, 0.4, 0.2, 0.6]
    frame = pd.DataFrame({"family": "plain", "depth": 20, "error": [*values, math.nan]})
    row = over_seeds(frame, ("family", "depth"), "error").iloc[0]
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (row["mean"], row.low, row.high, row.n) == pytest.approx((np.mean(values), low, high, 4))


def test_geometric_mean_and_interval_agree_with_scipy():
    values = [1e-8, 3e-6, 2e-7]
    frame = pd.DataFrame({"family": "plain", "norm": values})
    row = over_seeds(frame, ("family",), "norm", geometric=True).iloc[0]
    logs = np.log(values)
    low, high = np.exp(stats.t.interval(0.95, 2, loc=logs.mean(), scale=stats.sem(logs)))
    assert (row["mean"], row.low, row.high) == pytest.approx((stats.gmean(values), low, high))


def test_zeros_and_infinities_are_counted_beside_the_geometric_mean():
    frame = pd.DataFrame({"family": "plain", "norm": [2.0, 8.0, 0.0, math.inf, math.nan]})
    row = over_seeds(frame, ("family",), "norm", geometric=True).iloc[0]
    assert row["mean"] == pytest.approx(4.0)
    assert (row.n, row.n_zero, row.n_nonfinite) == (2, 1, 1)


def test_nothing_but_zeros_has_mean_zero_and_no_interval():
    row = over_seeds(pd.DataFrame({"family": "plain", "norm": [0.0, 0.0]}), ("family",), "norm", geometric=True).iloc[0]
    assert row["mean"] == 0.0
    assert math.isnan(row.low)
    assert (row.n, row.n_zero) == (0, 2)


def test_missing_depths_are_a_group():
    frame = pd.DataFrame({"family": "mine", "depth": pd.array([None, None], dtype="Int64"), "error": [0.1, 0.3]})
    row = over_seeds(frame, ("family", "depth"), "error").iloc[0]
    assert row["mean"] == pytest.approx(0.2)


def test_two_runs_of_one_seed_are_refused_by_name():
    runs = [Recording(meta={"run": name, "family": "plain", "depth": 20, "seed": 1}) for name in ("a", "b")]
    with pytest.raises(ValueError, match=r"family='plain', depth=20, seed=1 has a, b"):
        check_seeds(identities(runs))


def test_runs_without_a_seed_are_repetitions():
    runs = [Recording(meta={"run": name, "family": "plain", "depth": 20}) for name in ("a", "b")]
    check_seeds(identities(runs))
