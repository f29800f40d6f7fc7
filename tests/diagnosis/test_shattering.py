"""What the shattering rule makes of correlations laid out by hand."""

import pandas as pd
import pytest

from gradflow import Recording
from gradflow.diagnosis import diagnose


def recording(value, *, seed=0, layers=20, probe="shattering", place="(input)"):
    probes = pd.DataFrame({"probe": [probe, probe], "layer": [place, "fc"], "x": [layers, 0.0], "value": [value, 1.0]})
    return Recording(probes=probes, meta={"run": f"plain-20-seed{seed}", "family": "plain", "depth": 20, "seed": seed})


def runs(*values):
    return [recording(value, seed=seed) for seed, value in enumerate(values)]


def test_correlations_below_the_threshold_are_a_notice_with_interval_and_remedy():
    (found,) = diagnose(runs(0.001, 0.002, 0.0))
    assert (found.key, found.severity) == ("shattered", "notice")
    assert found.values["correlation"].n == 3
    assert found.values["correlation"].mean == pytest.approx(0.001)
    assert found.remedies[0] == "remedy.skip"
    assert str(found).startswith(
        "plain-20: after 20 layers, the gradients of different inputs have almost nothing in common"
    )


def test_an_interval_that_holds_the_threshold_leaves_it_open():
    (found,) = diagnose(runs(0.0, 0.001, 0.02))
    assert (found.key, found.severity) == ("shattering_unclear", "notice")
    assert "not enough evidence" in str(found)


def test_one_run_is_compared_without_interval():
    (found,) = diagnose(runs(0.001))
    assert found.key == "shattered"
    assert found.values["correlation"].n == 1


def test_missing_shortcuts_are_no_cause_where_there_are_some():
    residual = recording(0.001)
    residual.meta["family"] = "residual"
    assert [(one.cause, one.remedies) for one in diagnose(residual)] == [("", ("remedy.shallower",))]
    assert diagnose(recording(0.001))[0].cause == "cause.shattering"


def test_agreeing_gradients_are_said_with_their_correlation():
    (found,) = diagnose(runs(0.3, 0.32))
    assert found.key == "gradients_agree"
    assert "0.31" in str(found)


def test_nan_is_not_measured():
    assert diagnose(runs(float("nan"), 0.001))[0].values["correlation"].n == 1


@pytest.mark.parametrize("other", [{"probe": "autocorrelation"}, {"place": "conv1"}])
def test_other_probes_and_places_say_nothing_about_the_input(other):
    (found,) = diagnose([recording(0.001, **other)])
    assert found.key == "shattering_not_measured"


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ((0.010, 0.010), "gradients_agree"),  # the threshold itself is no shattering
        ((0.01,), "gradients_agree"),
        ((0.0099,), "shattered"),
        ((0.03, 0.04, 0.035), "gradients_agree"),
        ((0.01, 0.04, 0.03), "shattering_unclear"),  # mean above, 95 % from -0.01
        ((0.0, 0.012, 0.006), "shattering_unclear"),  # mean below, 95 % up to 0.02
        ((0.001, 0.002, 0.001), "shattered"),
    ],
)
def test_both_ends_of_the_interval_decide(values, key):
    (found,) = diagnose(runs(*values))
    assert found.key == key


def test_the_last_measurement_at_the_deepest_input_is_quoted():
    probes = pd.DataFrame({"probe": "shattering", "layer": "(input)", "x": [20.0, 20.0], "value": [0.5, 0.001]})
    (found,) = diagnose([Recording(probes=probes, meta={"run": "a"}), recording(0.002, layers=30)][:1])
    assert (found.key, found.values["layers"], found.values["correlation"].mean) == ("shattered", 20, 0.001)
    deep = diagnose([recording(0.001, layers=20), recording(0.001, layers=30, seed=1)])
    assert [one.values["layers"] for one in deep] == [30]
