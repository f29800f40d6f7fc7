"""The experiment's recordings, and the laws that they must show."""

import pytest

from gradflow.analysis.shattering import autocorrelation_by_lag, shattering_by_depth
from gradflow.diagnosis import diagnose
from gradflow.experiments.recipe import PlanError
from gradflow.experiments.shattering_depths import shattering_by_depth as measure


@pytest.fixture(scope="module")
def recordings():
    return measure(blocks=[2, 16], width=128, seeds=3, n_inputs=64)


def test_one_recording_for_each_network_with_both_probes(recordings):
    assert len(recordings) == 2 * 4 * 3
    assert recordings[0].meta["experiment"] == "shattering"
    assert set(recordings[0].probes["probe"]) == {"shattering", "autocorrelation"}
    assert set(recordings[0].probes["layer"]) == {"(input)"}


def test_batch_norm_shatters_plain_networks_and_not_residual_ones(recordings):
    found = shattering_by_depth(recordings).set_index(["family", "norm", "depth"])
    assert found.loc[("plain", "batch", 2), "mean"] == pytest.approx(0.25, abs=0.06)
    assert found.loc[("residual", "batch", 2), "mean"] == pytest.approx(0.61, abs=0.08)
    assert found.loc[("plain", "batch", 16), "mean"] < 0.01
    assert found.loc[("residual", "batch", 16), "mean"] > 0.1
    keys = {finding.subject.label: finding.key for finding in diagnose(recordings)}
    assert keys["plain, batch norm, 16 blocks"] == "shattered"
    assert keys["residual, batch norm, 16 blocks"] == "gradients_agree"


def test_deep_plain_gradients_are_nearer_to_white_noise_than_residual_ones(recordings):
    found = autocorrelation_by_lag(recordings).set_index(["family", "norm", "depth", "lag"])["mean"]
    assert found["plain", "batch", 16, 1.0] < 0.4 < found["residual", "batch", 16, 1.0]
    assert found["plain", "batch", 2, 1.0] > 0.8


def test_a_seed_gives_the_same_numbers_again():
    first, again = (measure(blocks=[2], width=16, seeds=1) for _ in range(2))
    assert all(a.probes.equals(b.probes) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("argument", [{"blocks": []}, {"blocks": [0]}, {"width": 0}, {"seeds": 0}, {"n_inputs": 1}])
def test_bad_arguments_are_named(argument):
    with pytest.raises(PlanError, match=next(iter(argument)).replace("_", " ")):
        measure(**argument)
