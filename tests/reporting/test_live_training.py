"""The live training curves: losses by their logarithm, errors as shares, on an axis that follows the choice."""

import numpy as np
import pandas as pd
import pytest

from gradflow import Recording
from gradflow.analysis import training
from gradflow.reporting.training_section import on_screen as live


def curves(losses, **columns):
    steps = pd.DataFrame({"step": range(len(losses)), "loss": losses, **columns})
    return live(training(Recording(steps=steps, meta={"run": "mine"})))


def losses_of(found):
    return found.rows[found.rows["measure"] == "loss"]


def axis(found, measure):
    (scale,) = [one for one in found.scales if one.when["measure"] == measure]
    return scale.signals


def test_positive_losses_stand_by_their_logarithm_within_the_axis():
    found = curves([100.0] * 10 + [0.001] * 10, batch_error=0.5)
    rows, signals = losses_of(found), axis(found, "loss")
    assert rows["mean"].tolist() == pytest.approx([100.0] * 10 + [0.001] * 10)
    assert rows["at_mean"].tolist() == pytest.approx([2.0] * 10 + [-3.0] * 10)
    assert signals["kind"] == "log"
    assert signals["lo"] < -3.0 < 2.0 < signals["hi"]
    assert signals["ticks"] == pytest.approx([-3, -2, -1, 0, 1, 2])


def test_each_step_has_its_loss_where_there_are_few_and_windows_their_mean_where_there_are_many():
    assert losses_of(curves(np.linspace(2, 1, 299)))["step"].tolist() == [*range(299)]
    assert losses_of(curves(np.linspace(2, 1, 300)))["step"].nunique() == 30


@pytest.mark.parametrize("ends", [(2.3, 2.3), (2.4, 0.8), (1.0, 30.0), (5.0, 1e-3), (1e-6, 1e6)])
def test_an_axis_of_losses_has_four_ticks_at_least(ends):
    found = curves(np.geomspace(*ends, 40))
    signals = {one["name"]: one["value"] for one in found.wide["params"]}
    assert len([tick for tick in signals["ticks"] if signals["lo"] <= tick <= signals["hi"]]) >= 4


def test_errors_stand_as_they_are_from_nothing_to_all():
    found = curves([1.0] * 20, batch_error=0.25)
    rows, signals = found.rows[found.rows["measure"] == "batch_error"], axis(found, "batch_error")
    assert rows["at_mean"].tolist() == rows["mean"].tolist() == [0.25, 0.25]
    assert (signals["lo"], signals["hi"]) == pytest.approx((-0.02, 1.02))
    assert (signals["kind"], signals["ticks"]) == ("fraction", None)


def test_losses_below_zero_have_a_linear_axis():
    found = curves([-2.0] * 10 + [4.0] * 10)
    assert losses_of(found)["mean"].tolist() == [-2.0] * 10 + [4.0] * 10
    ends = {one["name"]: one["value"] for one in found.wide["params"]}
    assert ends["lo"] < -2.0 < 4.0 < ends["hi"]


def test_an_infinite_loss_is_a_cross_on_top_and_said():
    found = curves([1.0] * 10 + [np.inf] * 10, batch_error=0.5)
    first, *_, gone = losses_of(found).to_dict("records")
    assert np.isnan(first["edge"])
    assert np.isnan(gone["at_mean"])
    assert first["at_mean"] < gone["at_edge"] < axis(found, "loss")["hi"]
    assert "Crosses on top" in found.note


@pytest.mark.parametrize(("meta", "label"), [({}, "Network"), ({"depth": 20}, "Family")])
def test_networks_without_a_depth_are_chosen_by_name(meta, label):
    steps = pd.DataFrame({"step": range(20), "loss": 1.0})
    runs = [
        Recording(steps=steps, meta={"run": name, **({"family": name} if meta else {}), **meta}) for name in ("a", "b")
    ]
    (control,) = live(training(runs)).controls
    assert (control.label, [option.value for option in control.options][1:]) == (label, ["a", "b"])


@pytest.mark.parametrize(("n_runs", "has_legend"), [(1, False), (30, True), (31, False)])
def test_a_legend_is_no_longer_than_its_figure(n_runs, has_legend):
    steps = pd.DataFrame({"step": range(3), "loss": 1.0})
    found = live(training([Recording(steps=steps, meta={"run": f"run{place}"}) for place in range(n_runs)]))
    assert (found.wide["layer"][0]["encoding"]["color"]["legend"] is not None) == has_legend
