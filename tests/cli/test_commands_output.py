"""Every command that prints a table: as data, at 80 columns, with hostile names."""

import csv
import io
import json
import sys

import pandas as pd
import pytest

from gradflow import Recording, analysis, load, save
from gradflow.cli import main
from gradflow.cli.printed_tables import print_summary
from gradflow.storage import find

EVIL = "\x1b[31mevil\n\u202e[red]</script>"
QUICK = ["--depths", "8", "--seeds", "1", "--steps", "3", "--widths", "4,4,4", "--device", "cpu", "--no-demo"]


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code or 0


def assert_readable(text, width=80):
    """Nothing but printable characters, and lines that fit; paths may be longer."""
    assert all(one.isprintable() for line in text.split("\n") for one in line)
    assert max(len(line) for line in text.split("\n") if "/" not in line) <= width


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "out"
    assert run("compare", *QUICK, "--out", str(out)) == 0
    return out


@pytest.mark.parametrize("form", ["json", "csv"])
def test_compare_prints_its_table_as_data_and_all_else_elsewhere(sweep, form, capsys):
    assert run("compare", *QUICK, "--out", str(sweep), f"--{form}") == 0
    shown = capsys.readouterr()
    rows = json.loads(shown.out) if form == "json" else list(csv.DictReader(io.StringIO(shown.out)))
    expected = analysis.summary([load(folder) for folder in find([sweep / "runs"])])
    assert [row["family"] for row in rows] == expected.family.tolist()
    assert [float(row["train_error"]) for row in rows] == pytest.approx(expected.train_error.tolist())
    assert list(rows[0]) == expected.columns.tolist()
    for word in ("already done", "report.html", "recordings"):
        assert word in shown.err


def test_compare_shows_a_strip_of_each_network(sweep, capsys):
    assert run("compare", *QUICK, "--out", str(sweep)) == 0
    shown = capsys.readouterr().out
    lines = shown[shown.index("along depth, before training") :].splitlines()
    for network in ("plain 8", "residual 8"):
        assert sum(one in "▁▂▃▄▅▆▇█" for one in next(line for line in lines if line.startswith(network))) == 8
    assert_readable(shown)


def test_vanishing_prints_its_table_as_data(tmp_path, capsys):
    arguments = ["vanishing", "--depth", "8", "--width", "16", "--seeds", "2", "--settings", "relu-default"]
    assert run(*arguments, "--out", str(tmp_path / "v"), "--json") == 0
    shown = capsys.readouterr()
    (row,) = json.loads(shown.out)
    assert (row["setting"], row["n"]) == ("relu-default", 2)
    assert 0 < row["factor"] < 1
    assert "report.html" in shown.err


def hostile(family="plain", seed=0):
    """Return a recording in which every name is hostile."""
    layers = pd.DataFrame(
        {
            "step": 0, "layer": [EVIL, EVIL * 2, "fc"], "kind": EVIL, "order": [0, 1, 2], "layer_depth": [1, 2, 3],
            "weighted": True, "stage": 0, "grad_norm": [1.0, 2.0, 3.0], "out_grad_norm": [1.0, 2.0, 3.0],
        }
    )  # fmt: skip
    steps = pd.DataFrame({"step": [0, 1], "train_error": [0.5, 0.5], "test_error": [0.5, 0.5]})
    meta = {"run": EVIL, "family": f"{family}{EVIL}", "depth": 3, "seed": seed, "model": EVIL, "status": EVIL}
    return Recording(layers=layers, steps=steps, meta={**meta, "started": EVIL, "experiment": "compare"})


@pytest.mark.parametrize("form", [None, "json", "csv"])
def test_a_comparison_of_hostile_names_is_text(form, capsys):
    print_summary([hostile(family, seed) for family in ("plain", "x" * 90) for seed in range(2)], form)
    shown = capsys.readouterr().out
    assert all(one.isprintable() for line in shown.split("\n") for one in line)
    assert ("\\u001b[31mevil" if form == "json" else r"\x1b[31m") in shown


MODEL = """
import torch
from torch import nn

def evil():
    net = nn.Sequential(nn.Linear(4, 6))
    for name in (NAME, NAME * 3):
        net.add_module(name, nn.Linear(6, 6))
    return net
"""


@pytest.mark.parametrize("flags", [[], ["--json"], ["--csv"]])
def test_an_analysis_of_hostile_layers_is_text(flags, tmp_path, monkeypatch, capsys):
    (tmp_path / "hostile.py").write_text(MODEL.replace("NAME", repr(EVIL)), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run("analyze", "hostile.py:evil", *flags) == 0
    sys.modules.pop("hostile", None)
    shown = capsys.readouterr().out
    assert all(one.isprintable() for line in shown.split("\n") for one in line)
    if not flags:
        assert_readable(shown)
        assert "[31" in shown
        assert any(line.startswith("hostile.py:evil") and "█" in line for line in shown.splitlines())  # its strip


@pytest.mark.parametrize("flags", [[], ["--json"], ["--csv"]])
def test_a_list_of_hostile_runs_is_text(flags, tmp_path, capsys):
    top = tmp_path / "\x1b]0;title\x07sweep"
    save(hostile(), top / "runs" / "\x1b[2Jfirst\u202e")
    save(hostile(), top / "runs" / "damaged\nrun")
    (top / "runs" / "damaged\nrun" / "steps-00000.parquet").unlink()
    (top / "unfinished" / "run\x9b1m").mkdir(parents=True)
    said = {"status": "failed", "reason": f"it failed: {EVIL}", "step": 3, "steps": 10}
    (top / "unfinished" / "run\x9b1m" / "status.json").write_text(json.dumps(said))
    assert run("runs", str(top), *flags) == 0
    shown = capsys.readouterr().out
    assert all(one.isprintable() for line in shown.split("\n") for one in line)
    if flags == ["--json"]:
        rows = {row["run"]: row for row in json.loads(shown)}
        assert rows["\x1b[2Jfirst\u202e"]["status"] == EVIL
        assert rows["run\x9b1m"]["reason"] == said["reason"]
    if not flags:
        assert r"\x1b[2Jfirst\u202e" in shown
        assert r"damaged  damaged\nrun: steps-00000.parquet: missing" in shown
        assert "3/10" in shown


def test_many_runs_are_listed(tmp_path, capsys):
    save(hostile(), tmp_path / "runs" / "0000")
    for number in range(1, 300):
        folder = tmp_path / "runs" / f"{number:04d}"
        folder.mkdir()
        for file in (tmp_path / "runs" / "0000").iterdir():
            (folder / file.name).hardlink_to(file)
    assert run("runs", str(tmp_path)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "300 runs" in " ".join(lines[:3])  # the path before it may break the line
    assert sum(line[:4].isdecimal() and line[4:6] == "  " for line in lines) == 300


def test_runs_that_are_not_there_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("runs") == 2
    assert "reports is not a directory" in capsys.readouterr().err
    assert run("runs", "\x1b[31mnowhere") == 2
    assert r"\x1b[31mnowhere is not a directory" in capsys.readouterr().err
