"""One report gives one value for one factor: section on factors, degree of vanishing, theory, and findings."""

import pandas as pd
import pytest
from compared import network

from gradflow import Recording
from gradflow.analysis.vanishing_degree import longest
from gradflow.diagnosis import diagnose
from gradflow.reporting.report_data import ReportData


def with_steep_starts(run):
    """Return a run whose first layer of each stage stands off the line, as a change of map size makes it."""
    layers = run.layers.copy()
    first = layers.groupby(["step", "stage"])["layer_depth"].transform("min") == layers["layer_depth"]
    layers.loc[first, "out_grad_norm"] *= 40
    return Recording(layers=layers, steps=run.steps, meta=run.meta)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    kinds = (("plain", 1.5), ("residual", 1.05))
    runs = [with_steep_starts(network(family, factor, seed, noise=0.01)) for family, factor in kinds for seed in (0, 1)]
    return ReportData(runs, tmp_path_factory.mktemp("report"))


def test_a_stages_first_layer_stays_out(data):
    of_stage = data.factors.dropna(subset="factor").set_index(["family", "stage"])["factor"]
    assert of_stage["plain"].tolist() == pytest.approx([1.5] * len(of_stage["plain"]), rel=0.02)
    assert of_stage["residual"].tolist() == pytest.approx([1.05] * len(of_stage["residual"]), rel=0.02)


def test_degree_has_the_same_factor(data):
    frame = data.degree_over_seeds
    started = frame[(frame["measure"] == "out_grad_norm") & (frame["moment"] == "0")]
    shown = data.factors.set_index(["family", "stage"])
    for row in longest(started).itertuples():
        same = shown.loc[row.family, row.stage]
        assert (row.factor, row.low, row.high) == (same.factor, same.low, same.high)


def test_theory_has_the_same_factor_of_residual_networks(data):
    found = data.predicted[data.predicted["family"] == "residual"]
    assert len(found) > 1
    shown = data.factors.set_index(["family", "stage"])
    for row in found.itertuples():
        assert row.factor == shown.loc["residual", row.stage].factor


def test_findings_have_the_same_factor(data):
    values = [one.values["factor"] for one in data.findings if one.key == "exploding"]
    shown = data.factors.dropna(subset="factor").set_index(["family", "stage"])
    assert values
    assert values[0].mean == pytest.approx(shown.loc["plain", 0].factor, rel=1e-12)


def test_stages_of_two_layers_have_no_factor_and_are_judged():
    layers = pd.DataFrame({"step": 0, "layer": list("abcd"), "order": range(4), "layer_depth": range(1, 5)})
    layers = layers.assign(stage=[0, 0, 1, 1], weighted=True, out_grad_norm=[1e-6, 1e-4, 1e-2, 1.0])
    (found,) = (one for one in diagnose(Recording(layers=layers, meta={"run": "mine"})) if one.key == "vanishing")
    assert found.values["decades"].mean == pytest.approx(-6)
    assert "factor" not in found.values
