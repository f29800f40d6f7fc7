"""`gradflow check`: exit codes, what is printed, and what is refused."""

import json
import re

import pandas as pd
import pytest

import gradflow
from gradflow.cli import main


def recorded(folder, grad_norm=1.0, loss=1.0):
    """Write a run of two layers whose gradient and loss stay as they are."""
    layers = pd.DataFrame(
        {"step": [0, 0, 1, 1, 2, 2], "layer": ["a", "b"] * 3, "order": [0, 1] * 3, "n_params": 3, "n_nonfinite": 0,
         "grad_norm": [grad_norm, 1.0] * 3, "out_grad_norm": 1.0}
    )  # fmt: skip
    steps = pd.DataFrame({"step": range(3), "loss": loss})
    gradflow.save(gradflow.Recording(layers=layers, steps=steps, meta={"run": "mine"}), folder)
    return str(folder)


@pytest.fixture
def baseline(tmp_path, capsys):
    file = str(tmp_path / "baseline.json")
    assert run("check", recorded(tmp_path / "before"), "--baseline", file, "--write") == 0
    assert capsys.readouterr().out == f"baseline    {file}\n"
    return file


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code


def test_as_before(tmp_path, baseline, capsys):
    assert run("check", recorded(tmp_path / "now", 1.05), "--baseline", baseline) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("Same as baseline.json: 5 values within the allowed change, and no new problem.")
    assert "Largest change relative to what is allowed: parameter gradient of a, from 1.00 to 1.05" in said


def test_a_change_is_a_row_and_exit_code_1(tmp_path, baseline, capsys):
    now = recorded(tmp_path / "now", 100.0, 2.0)
    assert run("check", now, "--baseline", baseline) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 of 5 values changed by more than allowed since baseline.json was made."
    rows = [re.split(r"\s{2,}", line) for line in lines[3:]]
    assert rows[0][:4] == ["a", "parameter gradient", "1.00", "100"]
    assert rows[1][:5] == ["–", "loss of the batch", "1.00", "2.00", "+1.000"]
    assert run("check", now, "--baseline", baseline, "--tolerance", "grad_norm=2", "--tolerance", "loss=1") == 0


def test_a_new_problem_is_said_and_update_accepts_it(tmp_path, baseline, capsys):
    now = recorded(tmp_path / "now", loss=[1.0, float("inf"), float("inf")])
    assert run("check", now, "--baseline", baseline) == 1
    said = capsys.readouterr().out
    assert "New problems\nmine: the loss became NaN or infinite, first at step 1." in said
    assert run("check", now, "--baseline", baseline, "--update") == 0
    assert run("check", now, "--baseline", baseline) == 0
    capsys.readouterr()
    assert run("check", recorded(tmp_path / "again"), "--baseline", baseline) == 1  # a loss, where there was none
    assert run("check", recorded(tmp_path / "well"), "--baseline", baseline, "--lang", "zh") == 1
    assert "不再" not in capsys.readouterr().out


def test_json_has_every_comparison(tmp_path, baseline, capsys):
    assert run("check", recorded(tmp_path / "now", 0.0), "--baseline", baseline, "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["passed"], len(said["changes"]), [one["key"] for one in said["new_problems"]]) == (
        False,
        5,
        ["zero_gradient"],
    )
    first = said["changes"][0]
    assert (first["layer"], first["measure"], first["was"], first["failed"]) == ("a", "grad_norm", 0.0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--baseline", "nowhere.json"], "nowhere.json is missing; --write makes it"),
        (["--tolerance", "grad_norm"], r"--tolerance must be MEASURE=NUMBER, .* \(no =\); got 'grad_norm'"),
        (["--tolerance", "depth=1"], "tolerances must be of grad_norm, .*; got 'depth'"),
        (["--tolerance", "loss=-1"], "the tolerance of loss must be a number of 0 or more; got -1.0"),
        (["--write", "--json"], "--write cannot be combined with --tolerance or --json"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, baseline, capsys, arguments, message):
    assert run("check", str(tmp_path / "before"), "--baseline", baseline, *arguments) == 2
    said = capsys.readouterr()
    assert re.search(message, said.err)
    assert said.out == ""
