"""Frames against means and intervals computed by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gradflow import Recording
from gradflow.analysis.shattering import autocorrelation_by_lag, shattering_by_depth, shattering_by_layer


def recording(value, seed, *, depth=4, norm="batch", family="residual", lags=(1.0, 0.5), **meta):
    rows = [("shattering", "(input)", depth, value, 100), ("shattering", "block1", 0, 1.0, 100)]
    rows += [("autocorrelation", "(input)", lag, found, 64) for lag, found in enumerate(lags)]
    probes = pd.DataFrame(rows, columns=["probe", "layer", "x", "value", "n"])
    who = {"run": f"{family}-{norm}-{depth}-{seed}", "family": family, "norm": norm, "depth": depth, "seed": seed}
    return Recording(probes=probes, meta={**who, **meta})


def test_mean_and_interval_are_student_s_over_seeds():
    values = [0.30, 0.36, 0.33]
    row = shattering_by_depth([recording(value, seed) for seed, value in enumerate(values)]).iloc[0]
    half = stats.t.ppf(0.975, 2) * np.std(values, ddof=1) / math.sqrt(3)
    assert row["mean"] == pytest.approx(np.mean(values))
    assert (row["low"], row["high"]) == pytest.approx((np.mean(values) - half, np.mean(values) + half))
    assert (row["n"], row["depth"], row["norm"]) == (3, 4, "batch")


def test_closed_form_stands_beside_the_networks_it_is_for_and_no_others():
    found = shattering_by_depth(
        [
            recording(0.06, 0, family="plain", experiment="shattering"),
            recording(0.06, 0, family="plain", norm=None, depth=1, experiment="shattering"),
            recording(0.06, 0, family="mine"),
        ]
    ).set_index(["family", "norm"])["predicted"]
    assert found["plain", "batch"] == 0.5**4
    assert found["plain", ""] == 0.5
    assert math.isnan(found["mine", "batch"])


def test_norms_are_kept_apart():
    frame = shattering_by_depth([recording(0.3, 0), recording(0.1, 0, norm=None)])
    assert frame["n"].tolist() == [1, 1]
    assert frame["low"].isna().all()


def test_lags_are_averaged_over_seeds():
    frame = autocorrelation_by_lag([recording(0.3, 0, lags=(1.0, 0.4)), recording(0.3, 1, lags=(1.0, 0.6))])
    assert frame["lag"].tolist() == [0.0, 1.0]
    assert frame["mean"].tolist() == [1.0, 0.5]
    assert frame["points"].tolist() == [64, 64]


def test_recording_without_family_is_one_of_its_own():
    probes = pd.DataFrame({"probe": ["shattering"], "layer": ["(input)"], "x": [3.0], "value": [0.2]})
    frame = shattering_by_depth(Recording(probes=probes, meta={"run": "mine"}))
    assert frame[["family", "mean"]].to_numpy().tolist() == [["mine", 0.2]]


def test_no_probe_and_repeated_seeds_are_named():
    with pytest.raises(ValueError, match="must hold the probe 'shattering'"):
        shattering_by_depth(Recording(meta={"run": "mine"}))
    with pytest.raises(ValueError, match="one run per family, depth and seed"):
        shattering_by_depth([recording(0.1, 0), recording(0.2, 0)])


def layers(values, seed, family="plain"):
    rows = [("shattering", name, after, value) for name, after, value in values]
    probes = pd.DataFrame(rows, columns=["probe", "layer", "x", "value"])
    return Recording(probes=probes, meta={"run": f"{family}-{seed}", "family": family, "depth": 2, "seed": seed})


def test_layers_are_averaged_over_seeds_from_the_output_on():
    of_seeds = [(0.1, 0.5), (0.3, 0.7)]
    runs = [
        layers([("(input)", 2, low), ("conv1", 1, high), ("fc", 0, 1.0)], seed)
        for seed, (low, high) in enumerate(of_seeds)
    ]
    frame = shattering_by_layer(runs)
    assert frame["layers_after"].tolist() == [0, 1, 2]
    assert frame["mean"].to_numpy() == pytest.approx([1.0, 0.6, 0.2])
    assert frame["n"].tolist() == [2, 2, 2]


def test_of_layers_side_by_side_the_first_counts_and_one_without_a_value_is_left_out():
    rows = [("(input)", 2, 0.1), ("conv1", 1, 0.5), ("shortcut", 1, 0.9), ("scalar", 0, math.nan)]
    frame = shattering_by_layer(layers(rows, 0))
    assert frame[["layers_after", "mean"]].to_numpy().tolist() == [[1, 0.5], [2, 0.1]]
