"""The README is true: its code runs, and what it promises of the loop holds."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

import gradflow

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
OURS = re.compile("recorder|gradflow|print")
CODE = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def surroundings():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    inputs, targets = torch.randn(4, 6), torch.randint(0, 3, (4,))
    return {
        "model": model,
        "loader": [(inputs, targets)] * 3,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "loss_function": nn.functional.cross_entropy,
        "inputs": inputs,
        "targets": targets,
    }


def test_the_example_on_the_readers_own_loop(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = surroundings()
    exec(CODE[0], names)
    recording = names["recorder"].recording
    assert recording.steps.loss.notna().tolist() == [True] * 3
    assert sorted(recording.layers.layer.unique()) == ["0", "1", "2"]
    assert (tmp_path / "out" / "report.html").exists()
    assert list((tmp_path / "out" / "figures").glob("*.png"))
    assert list((tmp_path / "out" / "tables").glob("*.csv"))
    assert "grad_norm" in capsys.readouterr().out
    bare = surroundings()
    exec("\n".join(line for line in CODE[0].splitlines() if not OURS.search(line)), bare)
    for a, b in zip(names["model"].parameters(), bare["model"].parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_example_with_a_callback(capsys):
    exec(CODE[1], surroundings())
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["2", "1", "0"]


def test_the_example_on_one_batch(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = surroundings()
    before = {name: value.clone() for name, value in names["model"].state_dict().items()}
    exec(CODE[2], {"gradflow": gradflow, **names})
    assert "Gradient flow of Sequential, one batch" in capsys.readouterr().out
    assert (tmp_path / "one-batch" / "report.html").exists()
    assert all(parameter.grad is None for parameter in names["model"].parameters())
    assert all(torch.equal(value, before[name]) for name, value in names["model"].state_dict().items())


def test_the_example_of_an_own_network(tmp_path, monkeypatch):
    from gradflow.experiments import compare

    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(CODE[3], encoding="utf-8")
    arguments = {"model": "nets.py:make", "data": "nets.py:wine", "vary": {"depth": [5, 10]}, "batch_size": 32}
    found = compare(out=tmp_path / "out", seeds=1, steps=3, workers=1, device="cpu", **arguments)
    assert sorted(one.meta["depth"] for one in found) == [5, 10]


def test_the_example_of_an_own_network_on_one_batch(tmp_path, monkeypatch, capsys):
    from gradflow.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(CODE[3], encoding="utf-8")
    (line,) = re.findall(r"^\$ gradflow (analyze nets\.py:make [^#\n]*)", README, flags=re.MULTILINE)
    with pytest.raises(SystemExit) as ended:
        main([*line.split(), "--json"])
    assert not ended.value.code
    document = json.loads(capsys.readouterr().out)
    assert document["meta"]["inputs"] == ["float32 (64, 13)"]
    assert document["meta"]["loss"] == "cross-entropy"
    assert [row["layer"] for row in document["layers"] if row["weighted"]] == ["0", "1.0", "2.0", "3.0", "4"]


def test_the_example_is_short():
    assert len([line for line in CODE[0].splitlines() if line.strip()]) <= 13


def test_every_command_and_option_exists():
    from gradflow.cli.commands import cli

    for line in re.findall(r"^\$ gradflow (\w+)(.*)$", README, flags=re.MULTILINE):
        options = {name for parameter in cli.commands[line[0]].params for name in parameter.opts}
        for option in re.findall(r"(--[\w-]+)", line[1]):
            assert option in options
    assert gradflow.report is not None
