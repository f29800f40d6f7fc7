"""`gradflow analyze` as a user sees it."""

import csv
import io
import json
import math
import sys

import pytest

import gradflow
from gradflow.cli import main

FILE = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))

    def forward(self, x):
        return x + self.inner(x)

def residual():
    return nn.Sequential(nn.Linear(4, 6), Block(), Block(), nn.Linear(6, 3))

def plain():
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)), torch.ones(5, 4), torch.tensor([0, 1, 2, 0, 1])

def several():
    class Two(nn.Linear):
        def forward(self, x):
            return super().forward(x), x
    return Two(4, 3)

def tokens():
    return nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 9))
"""


@pytest.fixture(autouse=True)
def _file(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("mine", None)


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code or 0


def test_tables_fit_a_terminal(capsys):
    assert run("analyze", "mine.py:residual") == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 82
    for word in ("mine.py:residual", "float32 (8, 4)", "random projection", "without skips", "1.inner.2", "identity"):
        assert word in shown


def test_json_holds_every_number(capsys):
    assert run("analyze", "mine.py:residual", "--json", "--input", "3,4") == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found["meta"]["inputs"] == ["float32 (3, 4)"]
    assert found["meta"]["inputs_from"] == "given"
    assert found["meta"]["command"].startswith("gradflow ")
    assert [row["join"] for row in found["skips"]] == ["1", "2"]
    for row in found["skips"]:
        assert row["skip_sq"] + row["branch_sq"] + row["cross"] == pytest.approx(1)
    assert {row["probe"] for row in found["probes"]} == {"without skips", "without branches"}
    assert len(found["layers"]) == 8
    assert found["layers"][1]["weight_norm"] > 0
    assert found["layers"][2]["weight_norm"] is None
    assert found["findings"]
    assert {row["measure"] for row in found["degree"]} > {"out_grad_norm", "without skips"}


def test_csv_holds_the_layers(capsys):
    assert run("analyze", "mine.py:plain", "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["layer"] for row in rows] == ["0", "1", "2"]
    assert float(rows[0]["out_grad_norm"]) > 0


def test_without_skips_none_are_measured(capsys):
    assert run("analyze", "mine.py:residual", "--without-skips", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["skips"] == found["probes"] == []
    assert found["meta"]["skips"] is False


def test_the_seed_repeats_a_run(capsys):
    shown = []
    for seed in ("1", "1", "2"):
        assert run("analyze", "mine.py:residual", "--csv", "--seed", seed) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] != shown[2]


def test_a_factorys_batch_and_targets_are_used(capsys):
    assert run("analyze", "mine:plain", "--json") == 0
    meta = json.loads(capsys.readouterr().out)["meta"]
    assert (meta["inputs_from"], meta["loss"]) == ("factory", "cross-entropy")


def test_tokens(capsys):
    assert run("analyze", "mine:tokens", "--json", "--input", "2,7") == 0
    assert json.loads(capsys.readouterr().out)["meta"]["inputs"] == ["int64 (2, 7)"]


def test_out_holds_report_figures_and_recording(tmp_path, capsys):
    assert run("analyze", "mine.py:residual", "--out", "out", "--csv") == 0
    shown = capsys.readouterr()
    assert "report" not in shown.out
    assert "out/report.html" in shown.err
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Backward only; the activations keep their skips" in page
    assert list((tmp_path / "out" / "figures").glob("skips*.png"))
    kept = gradflow.load(tmp_path / "out" / "recording")
    assert len(kept.skips) == 2
    assert math.isfinite(kept.steps.loss[0])
    assert run("analyze", "mine.py:residual", "--out", "out") == 0  # again, over what is there
    assert "out/recording" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine.py:plan"], "no factory 'plan'. Nearest: plain"),
        (["resnet50"], "target must be one of torchvision:NAME"),
        (["mine.py:residual", "--input", "8,x"], "'8,x' is no shape such as 8,3,224,224"),
        (["mine.py:residual", "--input", "8,0"], "'8,0' is no shape"),
        (["mine.py:residual", "--input", "8,5"], "failed on inputs float32 (8, 5)"),
        (["mine.py:several"], "a tuple of 2, of which no loss follows"),
        (["mine.py:residual", "--out", "/proc/nowhere"], "cannot write to /proc/nowhere"),
        (["nowhere.py:net"], "there is no file nowhere.py"),
        ([], "Missing argument 'TARGET'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, capsys):
    assert run("analyze", *arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
