"""`gradflow theory` as a user sees it."""

import csv
import io
import json
import math
import subprocess
import sys

import pytest

from gradflow import theory
from gradflow.cli import main


def run(*arguments):
    """Exit code of the command line, in this process."""
    with pytest.raises(SystemExit) as ended:
        main(["theory", *arguments])
    return ended.value.code or 0


def test_one_setting_is_a_card(capsys):
    assert run("--activation", "tanh", "--init", "default", "--depth", "50") == 0
    shown = capsys.readouterr().out
    assert "tanh, PyTorch's default initialisation, no norm, no skips" in shown
    values = {line[:20].strip(): line[20:].strip() for line in shown.splitlines()}
    assert values["factor per layer"] == "0.577"
    assert values["chi"] == "0.333"
    assert values["left after 50 layers"[:20]].endswith("1.18 × 10⁻¹²")
    assert values["below 0.001"] == "after 13 layers"  # 3^-6.5 = 7.9e-4, 3^-6 = 1.4e-3
    assert values["critical"].startswith("σw² = 1, σb² = 0")
    assert "Schoenholz" in values["source"]
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--norm", "batch"], ["above 1000", "after 37 layers", "explodes: each layer multiplies", "Yang et al. 2019"]),
        (["--norm", "batch", "--skip"], ["in the limit of depth", "grows as a power of depth"]),
        (["--init", "kaiming"], ["flat: the gradient keeps its norm", "never"]),
        (["--activation", "tanh", "--skip"], ["exp(c √depth)", "none: with skips"]),
        (["--activation", "softplus"], ["none: no stable fixed point has chi = 1", "deviations shrink by"]),
        (["--activation", "leaky-relu", "--slope", "0.2", "--init", "critical"], ["σw² = 1.923", "leaky-relu(0.2)"]),
        (["--init", "kaiming-0.8", "--bound", "0.9"], ["below 0.9", "after 1 layer\n"]),
    ],
)
def test_what_is_said_of_other_settings(arguments, words, capsys):
    assert run(*arguments) == 0
    shown = capsys.readouterr().out
    for word in words:
        assert word in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_several_settings_are_a_table_that_fits(capsys):
    assert run("--activation", "all", "--init", "all", "--norm", "all") == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if line.startswith("silu ")]) == 15
    assert len([line for line in lines if line.startswith("softplus ")]) == 12  # none of them critical
    assert run("--activation", "all", "--init", "all", "--norm", "all", "--skip") == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
    assert run("--activation", "tanh, relu", "--init", "xavier,kaiming") == 0
    assert len([line for line in capsys.readouterr().out.splitlines() if line.startswith(("tanh ", "relu "))]) == 4


def test_json_and_csv_hold_the_numbers_of_the_library(capsys):
    assert run("--activation", "gelu,tanh", "--init", "critical,default", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert run("--activation", "gelu,tanh", "--init", "critical,default", "--csv") == 0
    written = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == len(written) == 4
    for row, line in zip(rows, written, strict=True):
        law = theory.law(activation=row["activation"], init=row["init"])
        assert row["chi"] == law.chi
        assert float(line["chi"]) == law.chi
        assert float(row["depth_beyond"]) == float(line["depth_beyond"]) == law.depth_beyond(1e-3)
        assert list(row) == list(line)
    assert rows[0]["depth_beyond"] == "inf"
    assert math.isinf(float(written[0]["depth_beyond"]))
    assert rows[1]["rate"] is None
    assert written[1]["rate"] == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--activation", "swish"], "activation must be one of relu, leaky-relu"),
        (["--init", "he"], "init must be one of default, xavier"),
        (["--norm", "group"], "norm must be one of none, batch, layer; got 'group'"),
        (["--depth", "0"], "depth must be at least 1; got 0"),
        (["--bound", "2"], "bound must be above 0 and below 1; got 2"),
        (["--bound", "nan"], "bound must be above 0 and below 1; got nan"),
        (["--slope", "0.1"], "slope is for activation leaky-relu; got 'relu'"),
        (["--activation", "softplus", "--init", "critical"], "softplus has no critical initialisation"),
        (["--activation", "leaky-relu", "--slope", "1e200"], "slope must be from -1e+06 to 1e+06; got 1e200"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, capsys):
    assert run(*arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert shown.err.count("\n") == 1


def test_it_imports_neither_torch_nor_pandas():
    code = """
import sys
from gradflow.cli import main
try:
    main(["theory", "--activation", "tanh"])
except SystemExit as end:
    assert not end.code, end.code
heavy = {"torch", "pandas", "scipy", "matplotlib", "rich"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
