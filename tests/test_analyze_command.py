"""`gradflow analyze` as a user sees it."""

import csv
import io
import json
import math
import sys

import pytest
import torch

import gradflow
from gradflow.cli import main
from gradflow.targets import load_target
from gradflow.targets import moved as move

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

def evaluating():
    return residual().eval()

def endless():
    net = plain()[0]
    nn.init.constant_(net[0].weight, 1e30), nn.init.constant_(net[2].weight, 1e30)
    net[1] = nn.ReLU()
    return net, torch.ones(5, 4)

def leaving():
    raise SystemExit(5)

def sized(depth, *, input_shape=(4,), num_classes=3, norm="batch"):
    layers = [nn.Linear(6, 6) for _ in range(depth)]
    first = nn.Linear(torch.Size(input_shape).numel(), 6)
    return nn.Sequential(nn.Flatten(), first, *layers, nn.Linear(6, num_classes))

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


def test_json_holds_every_number(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gradflow", "analyze", "mine.py:residual", "--json"])
    assert run("analyze", "mine.py:residual", "--json", "--input", "3,4") == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found["meta"]["inputs"] == ["float32 (3, 4)"]
    assert found["meta"]["inputs_from"] == "given"
    assert found["meta"]["command"] == "gradflow analyze mine.py:residual --json"
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


def test_lesions_at_chosen_joins(capsys):
    assert run("analyze", "mine.py:residual", "--json", "--joins", "2*", "--lesions") == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["lesion_status"] for row in found["skips"]] == ["", "measured"]
    assert found["skips"][0]["lesion"] is None
    assert found["skips"][1]["lesion"] != 0
    assert (found["meta"]["joins"], found["meta"]["lesions"]) == ("2*", True)
    without = {(row["probe"], row["layer"]): row["value"] for row in found["probes"]}
    assert run("analyze", "mine.py:residual", "--json") == 0
    every = {(row["probe"], row["layer"]): row["value"] for row in json.loads(capsys.readouterr().out)["probes"]}
    assert without["without branches", "1.inner.2"] == every["without branches", "1.inner.2"]  # behind join 2 alone
    assert without["without branches", "0"] != every["without branches", "0"]


def test_lesions_are_printed_and_in_the_report(tmp_path, capsys):
    assert run("analyze", "mine.py:residual", "--lesions", "--joins", "1", "--out", "out") == 0
    shown = capsys.readouterr().out
    assert "The loss without each branch" in shown
    assert max(map(len, shown.splitlines())) <= 82
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Loss without the branch, change" in page
    assert "or that of the branches, is removed at the joins 1." in page


@pytest.mark.parametrize(("flags", "mode"), [([], "train"), (["--eval"], "eval"), (["--train"], "train")])
def test_the_mode_is_the_models_unless_chosen(flags, mode, capsys):
    assert run("analyze", "mine.py:residual", "--json", *flags) == 0
    assert json.loads(capsys.readouterr().out)["meta"]["mode"] == mode


def test_as_made_is_not_training_mode(capsys):
    assert run("analyze", "mine.py:evaluating", "--json") == 0
    assert json.loads(capsys.readouterr().out)["meta"]["mode"] == "eval"


def test_the_device_is_where_model_and_batch_go(capsys):
    assert run("analyze", "mine.py:plain", "--json", "--device", "cpu") == 0
    assert json.loads(capsys.readouterr().out)["meta"]["device"] == "cpu"
    moved = load_target("mine.py:plain")._replace(inputs={"x": [torch.ones(2, 4)], "n": 3})
    moved = move(moved, "meta")
    assert {one.device.type for one in (moved.inputs["x"][0], moved.targets, *moved.model.parameters())} == {"meta"}
    assert moved.inputs["n"] == 3


def test_tokens(capsys):
    assert run("analyze", "mine:tokens", "--json", "--input", "2,7") == 0
    assert json.loads(capsys.readouterr().out)["meta"]["inputs"] == ["int64 (2, 7)"]


def test_out_holds_report_figures_and_recording(tmp_path, capsys):
    assert run("analyze", "mine.py:residual", "--out", "out", "--csv") == 0
    shown = capsys.readouterr()
    assert "report" not in shown.out
    assert "out/report.html" in shown.err
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Only the backward pass changes" in page
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
        (["mine.py:residual", "--input", "8,x"], "'8,x' is not a list of whole numbers such as 8,3,224,224."),
        (["mine.py:residual", "--input", "8,0"], "input must be at least 1; got 0."),
        (["mine.py:residual", "--input", "8,5"], "failed on inputs float32 (8, 5)"),
        (["mine.py:several"], "a tuple of 2, of which no loss follows"),
        (["mine.py:residual", "--out", "/proc/nowhere"], "cannot write a report to /proc/nowhere"),
        (["mine.py:residual", "--joins", "3"], "matches a residual connection, of 2; got '3'. Nearest: "),
        (
            ["mine.py:residual", "--device", "nowhere"],
            "device must be one that this machine has, such as cpu; got 'now",
        ),
        (["mine.py:residual", "--seed", "99999999999999999999999"], "seed must be at most 9223372036854775807; got 9"),
        (["mine.py:leaving"], "mine.py:leaving failed"),
        (["nowhere.py:net"], "there is no file nowhere.py"),
        (
            ["mine.py:sized"],
            "needs a value for depth (--set depth=...); its signature is sized(depth, *, input_shape=(4,)",
        ),
        (["mine.py:sized", "--set", "dept=2"], "takes no argument dept; its signature is sized(depth"),
        (["mine.py:sized", "--set", "depth"], "'depth' is not of the form NAME=VALUE, such as depth=5"),
        (["mine.py:sized", "--set", "depth=2", "--set", "depth=3"], "depth is given twice"),
        (["mine.py:sized", "--set", "depth=2", "--data", "numbers"], "data must be one of digits, mnist5k"),
        (
            ["mine.py:sized", "--set", "depth=2", "--data", "digits", "--input", "8,4"],
            "cannot be combined with --data.",
        ),
        ([], "Missing argument 'TARGET'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, capsys):
    assert run("analyze", *arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err


def test_a_factory_is_given_arguments_and_a_batch_of_data(capsys):
    assert run("analyze", "mine.py:sized", "--set", "depth=2", "--set", "norm=none", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["layer"] for row in document["layers"] if row["weighted"]] == list("1234")
    assert document["meta"]["inputs_from"] == "guessed"
    given = ("--set", "depth=1", "--data", "digits", "--twin", "mine.py:sized", "--json")
    assert run("analyze", "mine.py:sized", *given) == 0
    document = json.loads(capsys.readouterr().out)
    assert [document["meta"][name] for name in ("inputs", "inputs_from", "loss")] == [
        ["float32 (64, 1, 8, 8)"],
        "digits",
        "cross-entropy",
    ]
    assert document["meta"]["parameters"] == 64 * 6 + 6 + 6 * 6 + 6 + 6 * 10 + 10
    probes = {row["layer"]: row["value"] for row in document["probes"]}
    assert probes == {
        row["layer"]: row["out_grad_norm"] for row in document["layers"] if row["weighted"]
    }  # its own twin


def test_numbers_that_are_not_finite_are_words_in_json(capsys):
    assert run("analyze", "mine.py:endless", "--json") == 0
    document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)  # NaN and Infinity are no JSON
    assert "inf" in {str(row["act_rms"]) for row in document["layers"]}
