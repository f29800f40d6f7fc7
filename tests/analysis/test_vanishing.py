"""The table beside the closed forms, on profiles made by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from gradflow import Recording, theory
from gradflow.analysis.intervals import Interval
from gradflow.analysis.vanishing_table import vanishing_profile, vanishing_table, verdict

DEPTH = 20


def made(profile, seed=0, noise=0.01, **meta):
    """Return a recording whose hidden layers have this profile, times a little noise."""
    wiggle = np.exp(noise * np.random.default_rng(seed).standard_normal(DEPTH))
    norms = np.append(np.asarray(profile, dtype=float), 1.0) * wiggle
    layers = pd.DataFrame(
        {
            "step": 0,
            "layer": [f"l{i}" for i in range(DEPTH)],
            "out_grad_norm": norms,
            "grad_norm": 2.0,
            "weighted": True,
            "order": range(DEPTH),
            "layer_depth": range(1, DEPTH + 1),
            "stage": [0] * (DEPTH - 1) + [1],
        }
    )
    network = {"setting": "s", "label": "S", "activation": "relu", "init": "kaiming-0.8", "depth": DEPTH}
    return Recording(layers=layers, meta={"run": f"s-{seed}", "seed": seed, **network, **meta})


def row(profile, n=5, **options):
    return vanishing_table([made(profile, seed, **options) for seed in range(n)]).iloc[0]


HIDDEN = np.arange(1, DEPTH)


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (0.8 ** (19.0 - HIDDEN), "vanishes"),
        (1.25 ** (19.0 - HIDDEN), "explodes"),
        (1.01 ** (19.0 - HIDDEN), "flat"),
        (1.05 ** (19.0 - HIDDEN), "undecided"),
        (HIDDEN**-1.2, "power law"),
        (HIDDEN**1.5, "power law"),
    ],
)
def test_verdict_comes_from_the_measured_profile(profile, expected):
    assert row(profile).verdict == expected


def test_one_seed_is_undecided():
    found = row(0.5 ** (19.0 - HIDDEN), n=1)
    assert (found.n, found.verdict) == (1, "undecided")
    assert math.isnan(found.low)


def test_transients_stay_out():
    profile = 0.8 ** (19.0 - HIDDEN)
    profile[:2] *= 100
    profile[-1] *= 100
    found = row(profile, noise=0)
    assert found.factor == pytest.approx(0.8)
    assert found.predicted == pytest.approx(0.8)
    assert found.difference == pytest.approx(0, abs=1e-9)
    assert found.weight_factor == pytest.approx(1)
    assert found.decades == pytest.approx(math.log10(profile[0]))


def test_where_the_factor_changes_with_depth_its_regression_is_predicted():
    law = theory.profile(DEPTH, activation="tanh", init="critical", skip=True)
    found = row(law, noise=0, activation="tanh", init="critical", skip=True)
    slope = np.polyfit(HIDDEN[2:-1], np.log(law[2:-1]), 1)[0]
    assert found.predicted == pytest.approx(math.exp(-slope))
    assert found.difference == pytest.approx(0, abs=1e-9)


def test_vanished_to_zero_is_no_error():
    found = row(np.zeros(DEPTH - 1))
    assert math.isnan(found.factor)
    assert found.verdict == "undecided"
    frame = vanishing_profile([made(np.zeros(DEPTH - 1))])
    assert frame.n.max() == 1


def test_profile_is_the_geometric_mean_relative_to_the_last_hidden_layer():
    frame = vanishing_profile([made(0.5 ** (19.0 - HIDDEN), noise=0), made(0.125 ** (19.0 - HIDDEN), 1, noise=0)])
    activations = frame[frame.measure == "out_grad_norm"]
    np.testing.assert_allclose(activations["mean"], 0.25 ** (19.0 - HIDDEN))
    np.testing.assert_allclose(activations["predicted"], 0.8 ** (19.0 - HIDDEN))
    weights = frame[frame.measure == "grad_norm"]
    assert (weights["mean"] == 1).all()
    assert weights["predicted"].isna().all()
    assert activations.layer_depth.tolist() == HIDDEN.tolist()
    assert set(activations.n) == {2}


def test_foreign_recordings_are_refused_by_name():
    with pytest.raises(ValueError, match=r"must name their setting, .*; 'mine' lacks setting"):
        vanishing_table(Recording(meta={"run": "mine"}))


def test_depths_are_not_mixed():
    with pytest.raises(ValueError, match="must share one depth; got 20, 32"):
        vanishing_profile([made(HIDDEN), made(HIDDEN, depth=32)])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1 / 1.05, 1.05, "flat"),
        (0.94, 0.951, "vanishes"),
        (0.94, 0.96, "undecided"),
        (1.051, 1.06, "explodes"),
        (0.9, 1.1, "undecided"),
    ],
)
def test_verdict_thresholds(low, high, expected):
    assert verdict(Interval(1.0, low, high, 5), Interval(-1.0, -2.0, -0.5, 5)) == expected
