"""The sentence on the first screen: both families from the shallowest to the deepest network, and of which variant."""

import pandas as pd
import pytest

from gradflow import Recording
from gradflow.analysis.runs import as_list
from gradflow.reporting.head import headline
from gradflow.reporting.report_data import ReportData

ERRORS = {("plain", 8): 0.1, ("plain", 14): 0.6, ("residual", 8): 0.05, ("residual", 14): 0.02}


def runs(**settings):
    return [
        Recording(
            steps=pd.DataFrame({"step": [0, 5], "loss": [2.0, 1.0], "train_error": [None, error]}),
            meta={"run": f"{family}-{depth}-{settings}", "family": family, "depth": depth, "seed": 0, **settings},
        )
        for (family, depth), error in ERRORS.items()
    ]


def said(recordings, folder):
    return headline(ReportData(as_list(recordings), folder))


def test_both_families_from_shallow_to_deep(tmp_path):
    assert said(runs(), tmp_path) == (
        "Training error at 14 layers is 60.0 % plain, 2.0 % residual.",
        "From 8 to 14 layers, training error goes from 10.0 % to 60.0 % in plain networks and goes from 5.0 % to 2.0 % "
        "in residual ones. At 14 layers, the difference paired by seed is +58.0 points (1 seed, no interval).",
    )


def test_of_variants_the_one_that_is_told_of_is_named(tmp_path):
    both = [*runs(lr=0.1, settings={"lr": 0.1}), *runs(lr=0.02, settings={"lr": 0.02})]
    assert said(both, tmp_path)[0].startswith("lr 0.1: Training error at 14 layers is 60")


@pytest.mark.parametrize("depth", [8, 14])
def test_of_one_depth_there_is_no_rise(tmp_path, depth):
    alone = [run for run in runs() if run.meta["depth"] == depth]
    short, detail = said(alone, tmp_path)
    assert short.startswith(f"Training error at {depth} layers is")
    assert detail.startswith("Paired by seed, the difference is")


def test_networks_that_all_train_are_told_by_their_errors(tmp_path, monkeypatch):
    for network in ERRORS:
        monkeypatch.setitem(ERRORS, network, 0.05)
    same = "Training error at 14 layers is 5.0 % plain, 5.0 % residual."
    assert said(runs(), tmp_path)[0] == same
    one_family = [run for run in runs() if run.meta["family"] == "residual"]
    assert said(one_family, tmp_path)[0] == "From 8 to 14 layers, training error is 5.0 % at both depths."
