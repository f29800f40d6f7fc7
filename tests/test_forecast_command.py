"""`gradflow forecast` as a user sees it."""

import csv
import io
import json
import sys

import pytest

from gradflow.cli import main

FILE = """
import torch
from torch import nn

def small():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

def deep():
    hidden = [layer for _ in range(15) for layer in (nn.Linear(64, 64), nn.Sigmoid())]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 10)).eval()

def with_data():
    return nn.Linear(4, 2), torch.randn(32, 4), torch.arange(32) % 2

def two_inputs():
    return nn.Bilinear(4, 4, 2), (torch.randn(32, 4), torch.randn(32, 4)), torch.arange(32) % 2
"""


@pytest.fixture(autouse=True)
def _file(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("mine", None)


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["forecast", *arguments])
    return ended.value.code or 0


def test_a_deep_stack_of_sigmoids_will_fail_and_the_blind_spots_are_said(capsys):
    assert run("mine.py:deep", "--data", "digits", "--lr", "0.05") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("Forecast for mine.py:deep: will fail Tried on a copy: 10 updates of SGD")
    assert "learning rate 0.0500, batches of 64 from 256 examples" in said
    assert "level for more than 1,000 updates" in said
    assert "not if the training loop does" in said
    assert "doom" not in said


@pytest.mark.parametrize(("width", "lang"), [("60", "en"), ("140", "en"), ("60", "zh")])
def test_it_fits_the_terminal(width, lang, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", width)
    assert run("mine.py:small", "--data", "digits", "--lang", lang) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= int(width)
    assert max(map(len, lines)) > int(width) / 2 - 10


def test_json_holds_verdict_reasons_numbers_and_track_record(capsys):
    assert run("mine.py:small", "--data", "digits", "--optimizer", "adamw", "--lr", "0.01", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"] in ("will train", "open")
    assert said["meta"]["optimizer"] == "AdamW"
    assert [row["updates"] for row in said["signs"]] == [0, 10]
    assert said["track_record"]["will fail"]["n"] > 0
    assert "1,000" in said["blind_spots"]


def test_csv_holds_the_numbers(capsys):
    assert run("mine.py:with_data", "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["updates"] for row in rows] == ["0", "10"]


def test_clip_clips(capsys):
    found = []
    for options in ([], ["--clip", "1e-9"]):
        assert run("mine.py:with_data", "--weight-decay", "0", "--json", *options) == 0
        found.append(json.loads(capsys.readouterr().out)["signs"][1]["update_ratio_max"])
    assert found[0] > 1e-3 > 1e-8 > found[1]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["mine.py:small"], "give --data, or let mine.py:small return (model, inputs, targets)"),
        (["mine.py:none", "--data", "digits"], "none"),
        (["mine.py:small", "--data", "svhn"], "data must be one of digits"),
        (["mine.py:small", "--data", "digits", "--lr", "-1"], "lr must be a positive number; got -1"),
        (["mine.py:small", "--data", "digits", "--optimizer", "lion"], "optimizer must be"),
        (["mine.py:two_inputs"], "inputs must be a tensor"),
        (["mine.py:small", "--data", "digits", "--batch-size", "1"], "batch_size must be at least 2; got 1"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, line, capsys):
    assert run(*arguments) == 2
    shown = capsys.readouterr()
    assert line in shown.err
    assert len(shown.err.splitlines()) == 1
    assert not shown.out
