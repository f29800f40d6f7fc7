"""Sweeps and presets as a user runs them: plan first, then runs, then a report that names what it stands beside."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from waiting import eventually

from gradflow.cli import main
from gradflow.experiments import execute, train
from gradflow.experiments.data import CIFAR10_RECORD, CIFAR10_TEST, CIFAR10_TRAIN
from gradflow.experiments.presets import read_preset
from gradflow.storage import find

SWEEP = """
title = "Two <b>rates</b>"
question = "Which?"
depths = [8]
families = ["residual"]
seeds = 1
steps = 3
widths = [2, 2, 2]
[vary]
lr = [0.1, 0.02]
[[published]]
family = "residual"
depth = 8
error = 0.125
measure = "test_error"
source = "a paper"
[scaled]
how = "two steps"
steps = 2
"""


def run(*arguments):
    """Exit code of the command line, in this process."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code or 0


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rates.toml"
    path.write_text(SWEEP)
    return path


@pytest.fixture
def cifar(tmp_path):
    """A folder in CIFAR-10's binary format, with 40 images to train on and 8 to test on."""
    draws = np.random.default_rng(0)
    for name in (*CIFAR10_TRAIN, CIFAR10_TEST):
        images = draws.integers(0, 256, (8, CIFAR10_RECORD), dtype=np.uint8)
        images[:, 0] = np.arange(8)
        images.tofile(tmp_path / name)
    return tmp_path


def test_a_dry_run_prints_the_plan_and_makes_nothing(file, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("sweep", str(file), "--dry-run", "--out", str(out), "--workers", "1") == 0
    shown = capsys.readouterr().out
    for word in (
        "Plan: 2 runs",
        "residual-8",
        "lr",
        "0.1",
        "0.02",
        "Estimated time",
        "1 worker",
        "Nothing was trained",
    ):
        assert word in shown
    assert not out.exists()
    assert run("sweep", str(file), "--dry-run", "--json", "--scaled") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["steps"], row["estimated_seconds"] > 0) for row in rows] == [(2, True)] * 2
    assert {row["lr"] for row in rows} == {0.1, 0.02}


@pytest.mark.slow
def test_a_sweep_reports_what_was_published_beside_what_was_measured(file, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("sweep", str(file), "--scaled", "--out", str(out), "--workers", "1", "--device", "cpu") == 0
    assert len(find([out / "runs"])) == 2
    for again in (False, True):  # the report that is made later of the folder alone says the same
        if again:
            (out / "report.html").unlink()
            assert run("report", str(out)) == 0
        page = (out / "report.html").read_text(encoding="utf-8")
        assert "Two &lt;b&gt;rates&lt;/b&gt;, scaled: Which?" in page
        assert "two steps" in page
        assert "<b>rates" not in page
        assert "12.50\u00a0%" in page
        assert "a paper" in page


def test_bad_input_is_one_line_and_exit_2(file, tmp_path, capsys):
    file.write_text(SWEEP.replace("steps = 3", "stepz = 3"))
    assert run("sweep", str(file)) == 2
    assert f"{file}: the file has no key 'stepz'. Did you mean steps?" in capsys.readouterr().err
    assert run("compare", "--preset", "smok") == 2
    assert "got 'smok'. Did you mean smoke?" in capsys.readouterr().err
    assert run("compare", "--preset", "balduzzi2017-shattering", "--lr", "0.1") == 2
    assert "preset balduzzi2017-shattering trains nothing, so it takes no lr." in capsys.readouterr().err
    assert run("compare", "--depths", "8", "--scaled") == 2
    assert "--scaled requires --preset." in capsys.readouterr().err
    assert run("compare") == 2
    assert "--preset" in capsys.readouterr().err


def test_presets_are_listed(capsys):
    assert run("compare", "--preset", "list") == 0
    shown = capsys.readouterr().out
    assert "he2015-fig6" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_damaged_cifar_file_is_named(cifar, tmp_path, capsys):
    (cifar / "data_batch_3.bin").write_bytes(b"\x00" * 100)
    arguments = ["--preset", "he2015-fig6", "--data", f"cifar10:{cifar}", "--out", str(tmp_path / "out")]
    assert run("compare", *arguments, "--device", "cpu", "--steps", "3") == 2
    assert "data_batch_3.bin is damaged: 100 bytes" in capsys.readouterr().err


@pytest.mark.slow
def test_the_full_preset_starts_is_killed_and_goes_on(cifar, tmp_path):
    """The whole recipe on a folder in CIFAR-10's format, cut short by options alone."""

    def command(out):
        return [
            sys.executable, "-m", "gradflow", "compare", "--preset", "he2015-table6", "--data", f"cifar10:{cifar}",
            "--depths", "20", "--seeds", "1", "--batch-size", "4", "--steps", "30", "--record-every", "5",
            "--eval-every", "15", "--device", "cpu", "--workers", "1", "--checkpoint-every", "0.01", "--out", str(out),
        ]  # fmt: skip

    cut = tmp_path / "cut"
    started = subprocess.Popen(command(cut), start_new_session=True, stdout=subprocess.DEVNULL)
    eventually(lambda: list(cut.glob("unfinished/*/checkpoint*")) or started.poll() is not None)
    workers = [json.loads(path.read_text())["pid"] for path in cut.glob("unfinished/*/status.json")]
    assert workers, "the run ended before its first checkpoint"
    for pid in (started.pid, *workers):
        os.kill(pid, signal.SIGKILL)
    started.wait()
    assert not list((cut / "runs").iterdir())
    given = {"depths": [20], "seeds": 1, "batch_size": 4, "steps": 30, "record_every": 5, "eval_every": 15}
    (planned,) = read_preset("he2015-table6").plan({**given, "data": f"cifar10:{cifar}", "device": "cpu"})
    (one,) = execute([planned], out=cut, workers=1)
    other = train(planned)
    assert one.meta["settings"]["augment"] == ["crop", "flip"]
    assert len(one.steps) == 31
    pd.testing.assert_frame_equal(one.steps, other.steps, check_exact=True)
    pd.testing.assert_frame_equal(one.layers, other.layers, check_exact=True)
