"""Whatever the command line is, it ends with an exit code of the documented and at most one line that says why."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from gradflow.cli import main
from gradflow.cli.commands import cli
from gradflow.cli.values import Number
from gradflow.ranges import RANGES, shown

HERE = Path(__file__).parent
SEED, COUNT = 2015, 500
NUMERIC = [
    (name, parameter)
    for name, command in sorted(cli.commands.items())
    for parameter in command.params
    if isinstance(parameter.type, Number)
]
# What makes a command line whole but for the option that is looked at; nothing trains.
AROUND = {
    "compare": ["--depths", "8", "--dry-run"],
    "sweep": ["rates.toml", "--dry-run"],
    "analyze": ["torch.nn:Identity", "--input", "2,3"],
    "doctor": ["torch.nn:Identity", "--input", "2,3"],
    "forecast": ["torch.nn:Identity"],
    "models": ["--blocks"],
    "theory": ["--activation", "leaky-relu"],
    "watch": ["nowhere"],
}
NO_NUMBERS = ["", " ", "x", "٣", "²", "½", "1e", "--", "1__0", "_1", "1_", "0x10", "nan", "inf", "-inf"]


def ended(*arguments):
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return caught.value.code or 0


@pytest.mark.exhaustive
def test_drawn_command_lines_end_in_order():
    ran = subprocess.run(
        [sys.executable, str(HERE / "command_lines.py"), str(SEED), str(COUNT)],
        capture_output=True,
        text=True,
        timeout=500,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert ran.returncode == 0, ran.stderr
    *bad, counts = map(json.loads, ran.stdout.splitlines())
    assert not bad
    assert counts["0"] + counts["2"] == COUNT
    assert min(counts["0"], counts["2"]) > COUNT / 20  # both kinds are drawn
    assert counts["outside"] == 0


def test_every_option_that_takes_a_number_has_a_range():
    bare = [
        f"{name} {parameter.opts[0]}"
        for name, command in cli.commands.items()
        for parameter in command.params
        if isinstance(parameter.type, click.types.IntParamType | click.types.FloatParamType)
    ]
    assert not bare
    assert len(NUMERIC) > 25


@pytest.mark.parametrize(("name", "parameter"), NUMERIC, ids=[f"{name} {one.opts[0]}" for name, one in NUMERIC])
def test_a_number_out_of_range_is_one_line_with_the_value(name, parameter, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("rates.toml").write_text("depths = [8]\n")
    allowed = parameter.type.allowed
    beyond = ["-" + "9" * 20, "-1e7", "1e400", "9" * 5000, "1e32"] + ["1.5"] * allowed.is_whole
    for word in [*NO_NUMBERS, *beyond]:
        assert ended(name, *AROUND.get(name, []), f"{max(parameter.opts, key=len)}={word}") == 2, word
        shown = capsys.readouterr()
        assert shown.out == ""
        line = shown.err.removesuffix("\n")
        assert line.startswith(f"gradflow: {parameter.type.setting.replace('_', ' ')} must be ")
        assert line.endswith(f"; got {word!r}.") or f"; got {word.strip()[:20]}" in line, line
        assert len(line) < 200
    assert not [path for path in tmp_path.iterdir() if path.name != "rates.toml"]


@pytest.mark.parametrize("name", sorted(RANGES))
def test_a_range_holds_its_ends_and_nothing_beyond(name):
    allowed = RANGES[name]
    low = max(allowed.low, allowed.least)
    high = min(allowed.high, allowed.most)
    inside = [1 if allowed.is_whole else 0.5]
    inside += [] if allowed.is_low_open and low == allowed.low else [low]
    inside += [high] if high == allowed.most else []
    inside = [value for value in inside if value >= low]
    outside = [low - 1, high * 2 + 1, float("nan"), float("inf"), -float("inf"), True, None, "1", 10**5000, -(10**5000)]
    assert not [value for value in inside if allowed.complaint(name, value)]
    assert not [value for value in outside if not allowed.complaint(name, value)]


def test_the_library_and_a_file_say_of_a_number_what_the_command_line_says(tmp_path, monkeypatch, capsys):
    from gradflow.experiments import PlanError, plan
    from gradflow.experiments.sweepfile import read_sweep

    monkeypatch.chdir(tmp_path)
    for name, value in (("steps", 0), ("weight_decay", 1e308), ("batch_size", 10**20), ("lr", 1e-320)):
        assert ended("compare", "--depths=8", "--dry-run", f"--{name.replace('_', '-')}={value}") == 2
        said = capsys.readouterr().err.removeprefix("gradflow: ").removesuffix("\n")
        with pytest.raises(PlanError) as caught:
            plan([8], **{name: value})
        assert str(caught.value) == said
        Path("one.toml").write_text(f"depths = [8]\n{name} = {value}\n")
        with pytest.raises(PlanError) as caught:
            read_sweep("one.toml").plan()
        assert str(caught.value) == f"one.toml: {said}"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--checkpoint-every", "nan"], "checkpoint every must be a positive number of seconds; got nan."),
        (["--workers", "0"], "workers must be at least 1; got 0."),
        (["--workers", "1000000"], "workers must be at most 1024; got 1000000."),
        (["--out", "file"], "out must be a folder; file is a file."),
        (["--out", "file/under"], "cannot write to out folder file/under: Not a directory."),
        (["--out", "full"], "out folder full holds other files than gradflow's; give a new or an empty folder."),
        (["--out", ""], "out must be a path; got ''."),
        (
            ["--out", "d/" * 2000],
            f"out must have at most 4095 bytes, 255 a name, and 200 levels; got {shown('d/' * 2000)}.",
        ),
        (["--out", "-"], "out must be a path; got '-' (for a file of that name, ./-)."),
        (["--out", "~nobody-at-all"], "out must be a path; got '~nobody-at-all', and there is no such user."),
        (["--name", "../up"], "name must be a folder's name, unless --out says where to write; got '../up'."),
        (["--batch-size", "2000"], "batch size must be at most the 1437 training images of digits; got 2000."),
        (["--seeds", "20000"], "seeds must be at most 10000; got 20000."),
        (["--vary", "lr=0.1,0.2", "--lr", "0.3"], "lr is given twice, by itself and in vary; give only one."),
        (
            ["--seeds", "10000", "--families", "plain,residual", "--lr=1", "--lr=2", "--lr=3"],
            "a plan must have at most 20000 combinations; got 60000.",
        ),
    ],
)
def test_a_dry_run_says_what_the_run_would(arguments, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("full").mkdir()
    Path("full/other").touch()
    assert ended("compare", "--depths", "8", "--dry-run", *arguments) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"gradflow: {line}\n")


def test_an_unknown_store_is_said_by_a_dry_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert ended("compare", "--depths", "8", "--dry-run", "--store", "nosuch://x") == 2
    assert capsys.readouterr().err.startswith("gradflow: store 'nosuch://x' cannot be opened: ")


def test_without_a_command_help_is_printed(capsys):
    assert ended() == 2
    assert capsys.readouterr().err.splitlines()[0] == "Usage: gradflow [OPTIONS] COMMAND [ARGS]..."


def test_a_model_that_there_is_not_is_said_where_families_are_given(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ended("compare", "--depths", "8", "--families", "plain", "--model", "x", "--dry-run") == 2
    assert capsys.readouterr().err.startswith("gradflow: model must be one of cifar, ")


def test_a_link_to_itself_is_no_path(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    for command, name in (("watch", "run"), ("runs", "paths"), ("report", "runs")):
        assert ended(command, "loop") == 2
        assert capsys.readouterr().err == f"gradflow: {name} must be a path; got 'loop', a link that leads to itself.\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["models", "--repeats", "3"], "--repeats requires --blocks."),
        (
            ["watch", "x", "--once", "--interval", "1"],
            "--interval is the time between two refreshes; with --once the state is printed only once.",
        ),
        (
            ["watch", "x", "--json", "--interval", "1"],
            "--interval is the time between two refreshes; with --json the state is printed only once.",
        ),
        (["compare", "--preset", "list", "--lr", "1"], "--lr cannot be combined with --preset list."),
        (
            ["compare", "--depths=8", "--lr=1", "--lr=2", "--vary=lr=1"],
            "lr is given twice, in --lr and in --vary; give only one.",
        ),
        (["compare", "--depths=8", "--vary=lr=1", "--vary=lr=2"], "Invalid value for '--vary': lr is given twice."),
        (["compar"], "No such command 'compar'. Did you mean 'compare'?"),
    ],
)
def test_what_a_command_would_ignore_is_said(arguments, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert ended(*arguments) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"Error: {line}"


def test_a_preset_that_trains_nothing_takes_no_option_of_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for option, name in ((["--workers", "2"], "workers"), (["--demo"], "demo"), (["--checkpoint-every", "3"], "check")):
        assert ended("compare", "--preset", "balduzzi2017-shattering", "--dry-run", *option) == 2
        assert f"trains nothing, so it takes no {name}" in capsys.readouterr().err


@pytest.mark.slow
def test_what_cannot_fit_in_memory_is_refused(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments, said in (
        (["analyze", "torch.nn:Identity", "--input", "8,3,1000000,1000000"], "input 8,3,1000000,1000000 is too large"),
        (["vanishing", "--depth", "9000", "--width", "65536"], "the network of width 65536 has "),
        (["compare", "--model=mlp", "--depths=9000", "--width=65536", "--dry-run"], "mlp-9000 of width 65536 has "),
    ):
        assert ended(*arguments) == 2
        line = capsys.readouterr().err
        assert line.startswith(f"gradflow: {said}")
        assert "GiB of memory; there are " in line
        assert line.count("\n") == 1
