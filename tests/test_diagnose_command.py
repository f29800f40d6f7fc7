"""`gradflow diagnose`: what it prints of recorded runs, in both languages and as JSON."""

import json

import pytest
import torch
from torch import nn
from torch.nn import functional

import gradflow
from gradflow.cli import main

UNSCALED, FAST = "not normalised", "learning rate is too high"


def exit_code(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["diagnose", *map(str, arguments)])
    return ended.value.code or 0


def recorded(path, scale, *, steps=30, **options):
    """Train three layers on inputs of some size."""
    torch.manual_seed(0)
    x = torch.randn(32, 10)
    y = (x[:, 0] > 0).long()
    model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.2)
    with gradflow.record(model, optimizer=optimizer, path=path, weights=True, **options) as recorder:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(scale * x), y)
            loss.backward()
            recorder.step(loss=loss)
            optimizer.step()
    return path


@pytest.fixture
def broken(tmp_path):
    return recorded(tmp_path / "broken", 300.0)


def test_the_cause_comes_first_and_what_follows_from_it_behind(broken, capsys):
    assert exit_code(broken) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("broken Problem The inputs are not normalised")
    assert said.index(UNSCALED) < said.index("Consequences") < said.index(FAST)
    assert "Change first Normalise the inputs" not in said or said.index("Change first") < said.index("Consequences")


def test_what_is_fine_and_what_could_not_be_checked_is_said(broken, capsys):
    exit_code(broken)
    said = " ".join(capsys.readouterr().out.split())
    fine, unchecked = said.split("Checked and fine")[1].split("Not checked")
    assert "whether only the optimizer changes the weights" in fine
    assert "which parameters the gradient reaches" not in said  # some lost it, as a finding says
    assert "statistics=True" in unchecked
    assert "whether the labels match the inputs: a recording cannot show this" in unchecked


def test_statistics_that_were_recorded_are_checked(tmp_path, capsys):
    exit_code(recorded(tmp_path / "run", 1.0, statistics=True))
    said = " ".join(capsys.readouterr().out.split())
    assert "statistics=True" not in said
    assert "No problem was found" in said


def test_json_holds_findings_in_order_and_all_checks(broken, capsys):
    assert exit_code(broken, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    first = said["findings"][0]
    assert (first["key"], first["severity"], first["follows"]) == ("inputs_unscaled", "problem", "")
    assert first["values"]["rms"] == pytest.approx(300, rel=0.2)
    follows = {one["key"]: one["follows"] for one in said["findings"]}
    assert follows["lr_high"] == "inputs_unscaled"
    status = {one["check"]: one["status"] for one in said["checks"]}
    assert (status["inputs"], status["graph"], status["units"]) == ("found", "found", "unchecked")
    assert all(bool(one["needs"]) == (one["status"] == "unchecked") for one in said["checks"])


def test_chinese(broken, capsys):
    assert exit_code(broken, "--lang", "zh") == 0
    said = capsys.readouterr().out.replace("\n", "").replace(" ", "")
    assert "输入没有归一化" in said
    assert "由此导致" in said
    assert "Not checked" not in said


def test_several_runs_are_told_one_by_one(broken, tmp_path, capsys):
    assert exit_code(broken, recorded(tmp_path / "sound", 1.0)) == 0
    broken_says, sound_says = capsys.readouterr().out.split("\n\n")
    assert "not normalised" in broken_says
    assert sound_says.startswith("sound\n")
    assert "No problem was found" in sound_says


@pytest.mark.parametrize("arguments", [[], ["nowhere"], ["--csv"]])
def test_bad_usage_is_exit_code_2(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert exit_code(*arguments) == 2
    assert capsys.readouterr().out == ""


def test_a_recording_of_few_steps_names_no_problem(tmp_path, capsys):
    assert exit_code(recorded(tmp_path / "short", 1.0, steps=3)) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "No problem was found" in said
    assert "whether the loss falls: needs at least 20 losses" in said
