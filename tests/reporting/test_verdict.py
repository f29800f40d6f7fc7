"""The first screen of one's own run: a cause before what follows from it, its first remedy, and what was checked."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import gradflow
from gradflow.diagnosis.ranking import ORDER
from gradflow.reporting.factor_section import FACTOR
from gradflow.reporting.own_verdict import bars, evidence, verdict
from gradflow.reporting.report_data import ReportData
from gradflow.text import has, language
from gradflow.text.numbers import factor


def recorded(model, steps=40, lr=0.1):
    torch.manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), lr)
    inputs, targets = torch.randn(32, 8), torch.randint(0, 4, (32,))
    with gradflow.record(model, optimizer=optimizer, weights=True, activations=True) as recorder:
        for _ in range(steps):
            loss = nn.functional.cross_entropy(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss)
    return recorder.recording


def sigmoids(layers=10):
    hidden = [module for _ in range(layers) for module in (nn.Linear(8, 8), nn.Sigmoid())]
    return nn.Sequential(*hidden, nn.Linear(8, 4))


@pytest.fixture(scope="module")
def broken():
    torch.manual_seed(0)
    return recorded(sigmoids())


def test_sigmoid_layers_vanish_and_the_level_loss_follows(broken, tmp_path):
    found = verdict(ReportData([broken], tmp_path))
    assert (found.severity, found.tag) == ("problem", "Problem")
    assert found.headline == "The gradient vanishes before it reaches the first layers"
    assert "smaller at layer 0 than at layer" in found.evidence[0]
    assert found.first
    assert "The updates are too small" in found.follows
    assert "the gradient over depth" not in found.fine + found.unchecked
    assert "whether gradients shatter" in found.unchecked
    assert "whether gradients shatter: run gradflow analyze, which compares several inputs." in found.needs


def test_a_healthy_run_says_what_was_checked(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
    found = verdict(ReportData([recorded(model)], tmp_path))
    assert (found.severity, found.headline, found.first) == ("healthy", "No problem was found", "")
    assert {"whether the loss falls", "the gradient over depth"} <= set(found.fine)
    assert found.unchecked


def test_the_table_of_factors_has_the_closed_form_that_the_finding_states(broken, tmp_path):
    data = ReportData([broken], tmp_path)
    stated = next(one.values["predicted"] for one in data.findings if "predicted" in one.values)
    (table,) = FACTOR.shown(data).blocks
    (row,) = table.cells
    assert row[-1].main == factor(stated)


def test_layers_stand_by_name_where_their_names_have_room(broken, tmp_path):
    (tmp_path / "figures").mkdir()
    assert bars(ReportData([broken], tmp_path), None).name == "gradient-flow"
    torch.manual_seed(0)
    many = bars(ReportData([recorded(sigmoids(45), steps=2)], tmp_path), None)
    assert many.name == "gradient-profile"
    assert many.live.rows["layer_depth"].max() == 46


def test_the_first_figure_shows_the_gradient_and_the_step_that_the_finding_is_about(broken, tmp_path):
    (tmp_path / "figures").mkdir()
    shown = evidence(ReportData([broken], tmp_path))
    layers = broken.layers[(broken.layers["step"] == 0) & broken.layers["weighted"]].sort_values("layer_depth")
    np.testing.assert_allclose(shown.live.rows["norm"], layers["out_grad_norm"])
    assert shown.caption == "Gradient norm of the layer's output at step 0."
    assert shown.live.wide["layer"][0]["encoding"]["y"]["title"] == "gradient norm of the layer's output"


def test_a_gradient_that_vanishes_over_time_is_shown_over_time(tmp_path):
    (tmp_path / "figures").mkdir()
    norms = [10.0 ** (place - 9) for place in range(10)]
    rows = [
        {"step": step, "layer": "rnn", "tensor": "input", "time": place, "grad_norm": norm * (1 + step)}
        for step in (0, 5)
        for place, norm in enumerate(norms)
    ]
    steps = pd.DataFrame({"step": range(6), "loss": 2.0})
    run = gradflow.Recording(times=pd.DataFrame(rows), steps=steps, meta={"run": "mine"})
    data = ReportData([run], tmp_path)
    assert data.findings[0].key == "vanishing_over_time"
    shown = evidence(data)
    assert shown.name == "gradient-over-time"
    np.testing.assert_allclose(shown.live.rows["mean"], np.array(norms) * 6)


def test_a_level_loss_without_a_cause_is_shown_as_a_loss(tmp_path):
    (tmp_path / "figures").mkdir()
    run = gradflow.Recording(steps=pd.DataFrame({"step": range(60), "loss": 2.0}), meta={"run": "mine"})
    assert evidence(ReportData([run], tmp_path)).name == "loss"


def test_a_rate_that_is_too_high_is_shown_by_the_size_of_its_updates(tmp_path):
    (tmp_path / "figures").mkdir()
    torch.manual_seed(0)
    data = ReportData([recorded(nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4)), lr=100.0)], tmp_path)
    assert data.findings[0].key == "lr_high"
    shown = evidence(data)
    assert shown.name == "update-ratios"
    assert shown.live.rows["mean"].max() > 1


@pytest.mark.slow
def test_the_page_shows_it(broken, tmp_path):
    page = gradflow.report(broken, tmp_path / "en").read_text(encoding="utf-8")
    places = [page.index(words) for words in ("The gradient vanishes before", "Change first", "Checked and fine")]
    assert places == sorted(places)
    with language("zh"):
        page = gradflow.report(broken, tmp_path / "zh").read_text(encoding="utf-8")
    assert page.index("梯度在到达最初几层之前消失") < page.index("首先修改")


def test_every_finding_that_may_lead_has_a_short_name():
    assert [key for key in ORDER if not has(f"verdict.of.{key}")] == []
