"""`gradflow doctor` as a user sees it."""

import json
import sys

import planted
import pytest

from gradflow.cli import main

FILE = """
import torch
from planted import Block, Net, NoActivation, NoProjection, Stack
from torch import nn

class Small(Net):
    def __init__(self, block, **options):
        super().__init__(block, **options)
        self.stem[0] = nn.Conv2d(1, 16, 3, padding=1, bias=False)

def healthy():
    return Small(Block)

def bare():
    return Small(NoActivation)

def clash():
    return Small(NoProjection)

def deep():
    return nn.Sequential(nn.Flatten(), Stack(activation=nn.Sigmoid, inputs=64, outputs=10))

def regression():
    return nn.Linear(4, 2), torch.randn(8, 4), torch.randn(8, 2)
"""


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("mine", None)


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *arguments])
    return ended.value.code or 0


def said(capsys):
    return " ".join(capsys.readouterr().out.split())


def test_a_healthy_network_has_no_problem_and_what_was_checked_is_said(capsys):
    assert run("mine.py:healthy", "--data", "digits", "--lr", "0.05") == 0
    shown = said(capsys)
    assert "No problem was found" in shown
    assert "Notice" not in shown
    fine = shown.split("Checked and fine")[1]
    for question in ("where norms, activations and additions are", "the learning rate of the first update"):
        assert question in fine


def test_a_mistake_has_its_cause_and_the_line_to_change(capsys):
    assert run("mine.py:bare", "--data", "digits") == 0
    shown = said(capsys)
    assert "Notice 2 of 3 additions in residual blocks" in shown
    assert "Usual layout Apply the activation to the sum" in shown
    line = planted.line_of("return branch + self.skip(x)")
    assert f"Line to change planted.py:{line} return branch + self.skip(x)" in shown
    assert "the learning rate of the first update: needs a learning rate (--lr)" in shown


def test_a_skip_that_does_not_fit_is_explained_and_no_error(capsys):
    assert run("mine.py:clash") == 0
    shown = said(capsys)
    assert "Problem The forward pass fails at an addition in blocks.2" in shown
    assert "nn.Conv2d(16, 32, kernel_size=1, stride=2, bias=False)" in shown
    assert "the forward pass failed; fix that first" in shown
    assert "record(" not in shown


def test_a_rate_that_is_too_high_is_named(capsys):
    assert run("mine.py:healthy", "--data", "digits", "--lr", "100") == 0
    assert "Problem One update at learning rate 100" in said(capsys)


def test_targets_of_a_factory_are_used(capsys):
    assert run("mine.py:regression", "--optimizer", "adamw", "--lr", "0.001") == 0
    assert "whether the outputs suit the loss" in said(capsys).split("Checked and fine")[1]


def test_json_holds_findings_lines_and_checks_and_the_forecast(capsys):
    assert run("mine.py:deep", "--data", "digits", "--lr", "0.05", "--forecast", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    first = found["findings"][0]
    assert (first["key"], first["severity"], first["follows"]) == ("init_small", "problem", "")
    assert first["values"]["file"] == "planted.py"
    assert first["remedies"]
    assert {one["follows"] for one in found["findings"][1:]} == {"init_small"}
    assert {one["check"] for one in found["checks"] if one["status"] == "found"} >= {"init", "depth"}
    assert found["forecast"]["verdict"] == "will fail"


def test_the_forecast_is_printed_behind_the_findings(capsys):
    assert run("mine.py:deep", "--data", "digits", "--forecast") == 0
    shown = said(capsys)
    assert shown.index("Checked and fine") < shown.index("Forecast for mine.py:deep: will fail")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_it_fits_a_narrow_terminal(lang, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert run("mine.py:deep", "--data", "digits", "--lang", lang) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 60


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["mine.py:none"], "none"),
        (["mine.py:healthy", "--data", "svhn"], "data must be one of"),
        (["mine.py:healthy", "--data", "digits", "--lr", "-1"], "lr must be a positive number; got -1"),
        (["mine.py:healthy", "--input", "8,5,8,8"], "failed on inputs float32 (8, 5, 8, 8)"),
        (["mine.py:healthy", "--forecast"], "a forecast needs examples with their labels"),
        (["mine.py:healthy", "--data", "digits", "--input", "8,1,8,8"], "--input cannot be combined with --data"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, line, capsys):
    assert run(*arguments) == 2
    shown = capsys.readouterr()
    assert line in shown.err
    assert len([one for one in shown.err.splitlines() if one.startswith(("gradflow: ", "Error: "))]) == 1
    assert not shown.out
